import type { EngineOutput } from '../engine/engine.ts';
import { RunError } from '../errors.ts';
import { outputLabels } from '../export/column-names.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { keysForAllModes } from '../options/option-keys.ts';
import { readReducerFile } from '../reduce/reducer-file.ts';
import { readIntact } from '../run/intact-files.ts';
import { type RunJson, readNamedRun } from '../run/run-json.ts';
import type { OutputStore } from '../storage/output-store.ts';
import type { Extractor } from './extractor/extractor.ts';
import { networkHash } from './network-hash.ts';
import type { ShardSums } from './reducer-fitting.ts';

/**
 * The reducers of a finished run, for new images.
 * @throws RunError when that run is not complete, its reducer.npz is not the one it wrote, or the features
 *   differ from those it was fitted on.
 */
export async function openSavedReducers(
  saved: OutputStore,
  options: ExtractOptions,
  extractor: Pick<Extractor, 'model' | 'outputs'>,
): Promise<{ readonly sha256: string; readonly fitting: ShardSums }> {
  const run = await readNamedRun(saved, '--with', { hasReducer: true });
  refuseDifferences(saved.target, run, options, extractor);
  const file = run.files.find(({ name }) => name === 'reducer.npz');
  if (file === undefined) {
    throw new RunError(`Expected reducer.npz in run.json of ${saved.target} but found none.`, {
      fix: 'Run the extraction again, with --k above 0.',
    });
  }
  const bytes = await readIntact(saved, file);
  return { sha256: file.sha256, fitting: fittedBefore(bytes, extractor.outputs) };
}

/** The reducers of a reducer.npz, one for each output, in place of a fit. */
export function fittedBefore(bytes: Uint8Array, outputs: readonly EngineOutput[]): ShardSums {
  const byLabel = readReducerFile(bytes);
  const reducers = outputLabels(outputs).map((label) => byLabel.get(label)!);
  return { addShard: async () => {}, finish: async () => reducers };
}

interface SavedModel {
  readonly weightsSha256: string;
  /** Absent in runs of earlier versions and of Spark. */
  readonly networkSha256?: string;
  readonly preprocessing: string;
  readonly layers: readonly { readonly layer: string; readonly pool: string }[];
}

/** Vectors of another network, layer, resize or preprocessing do not fit a reducer. */
function refuseDifferences(
  target: string,
  run: RunJson,
  options: ExtractOptions,
  extractor: Pick<Extractor, 'model' | 'outputs'>,
): void {
  const there = run.options as Record<string, unknown>;
  const model = run.model as SavedModel | undefined;
  const here = extractor.model?.metadata;
  const network = extractor.model && networkHash(extractor.model, extractor.outputs);
  const layers = (list: readonly { layer: string; pool: string }[] | undefined) =>
    list?.map(({ layer, pool }) => `${layer}:${pool}`).join();
  const pairs: [string, unknown, unknown][] = [
    ...(['mode', ...keysForAllModes('vectors', 'reducer')] as const).map(
      (name): [string, unknown, unknown] => [name, there[name], options[name]],
    ),
    ['SHA-256 of the weights', model?.weightsSha256, here?.weightsSha256],
    ['SHA-256 of the layers', model?.networkSha256 ?? network, network],
    ['preprocessing', model?.preprocessing, here?.preprocessing],
    [
      'layers',
      layers(model?.layers),
      extractor.model === undefined ? undefined : layers(extractor.outputs),
    ],
  ];
  const differences = pairs
    .filter(([, before, now]) => before !== now)
    .map(([name, before, now]) => `${name} was ${before}, is ${now}`);
  if (differences.length === 0) return;
  throw new RunError(
    `Expected the features that ${target} was fitted on but found others: ${differences.join('; ')}.`,
    {
      fix: 'Leave these options out (transform takes them from that run), or name its model by --model.',
    },
  );
}
