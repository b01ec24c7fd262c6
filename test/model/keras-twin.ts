import { readFileSync } from 'node:fs';

/** One layer as real Keras describes it; see test/fixtures/make-architecture-fixtures.py. */
export interface TwinLayer {
  readonly name: string;
  readonly className: string;
  readonly outputShape: readonly number[];
  /** In Keras' order. */
  readonly weights: Readonly<Record<string, number[]>>;
  readonly inbound: readonly string[];
  /** The whole get_config(), name included. */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface KerasTwin {
  readonly modelName: string;
  readonly params: number;
  readonly layers: readonly TwinLayer[];
}

export function readKerasTwin(name: string): KerasTwin {
  const url = new URL(`../fixtures/architectures/${name}.jsonl`, import.meta.url);
  const [header, ...lines] = readFileSync(url, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  return {
    modelName: header.model_name,
    params: header.params,
    layers: lines.map(([layer, className, outputShape, weights, inbound, own]) => ({
      name: layer,
      className,
      outputShape,
      weights,
      inbound,
      config: { ...header.classes[className], ...own, name: layer },
    })),
  };
}

/** Weight shapes by "<layer>/<weight>", as a weights-only file gives them. */
export function twinWeightShapes(twin: KerasTwin): Map<string, number[]> {
  return new Map(
    twin.layers.flatMap((layer) =>
      Object.entries(layer.weights).map(
        ([weight, shape]) => [`${layer.name}/${weight}`, shape] as const,
      ),
    ),
  );
}
