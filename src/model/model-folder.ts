/**
 * A model on disk: `models/<name>/model.json` in tfjs layers format plus its weight shards.
 * What tfjs does not carry (preprocessing, origin, trained or not) is in
 * `userDefinedMetadata.img2features`, which tfjs' own loader keeps and ignores.
 */

import type { Preprocessing } from '../options/preprocessing.ts';

export interface ModelMetadata {
  /** e.g. "vgg16"; `null` for a user's own topology. */
  readonly architecture: string | null;
  readonly preprocessing: Preprocessing;
  /** Input height and width, pixels. */
  readonly inputSize: readonly [height: number, width: number];
  /** Name of a model that was inside the model → the layer that gives its output; `--layer` takes both. */
  readonly nested?: Readonly<Record<string, string>>;
  /** False for seeded weights: said in model.json, run.json and on the screen. */
  readonly trained: boolean;
  /** Where the weights come from. */
  readonly source:
    | {
        readonly kind: 'keras' | 'torch';
        readonly file: string;
        readonly format: string;
        readonly sha256: string;
      }
    | { readonly kind: 'seeded'; readonly seed: number; readonly width: number }
    /** Made elsewhere (tensorflowjs_converter, `model.save` of tfjs); `by` is what model.json says. */
    | { readonly kind: 'tfjs'; readonly by: string };
  /** SHA-256 over the weight shards' bytes in manifest order, hex; in a ModelFolder computed, never only read. */
  readonly weightsSha256: string;
}

/** One weight tensor as model.json lists it. */
export interface WeightSpec {
  /** "<layer>/<weight>", e.g. "block1_conv1/kernel". */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32';
}

export interface ModelFolder {
  /** Absolute path of the folder. */
  readonly dir: string;
  /**
   * Keras 2 style topology JSON as tfjs reads it: `{ model_config: { class_name, config } … }`, or
   * `{ class_name, config … }` where tfjs itself saved the model; `modelConfigOf` reads both.
   */
  readonly topology: Record<string, unknown>;
  readonly weights: readonly WeightSpec[];
  /** Absolute paths of the weight shards, in manifest order. */
  readonly shardPaths: readonly string[];
  /** What each shard's file was when its bytes were hashed: the engine refuses another. */
  readonly shardStamps: readonly string[];
  readonly metadata: ModelMetadata;
}

/** What a worker and a packed archive say of their model. */
export function modelFacts({ metadata }: Pick<ModelFolder, 'metadata'>) {
  const { architecture, preprocessing, trained, weightsSha256 } = metadata;
  return { architecture, preprocessing, trained, weightsSha256 };
}

/** Where the weights come from, for people. */
export function describeSource(source: ModelMetadata['source']): string {
  if ('file' in source) return `${source.file} (${source.format})`;
  if (source.kind === 'tfjs') return `written by ${source.by || 'another tool'}`;
  const width = source.width === 1 ? '' : `, width ${source.width}`;
  return `img2features model init, seed ${source.seed}${width}`;
}
