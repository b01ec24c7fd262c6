import type { EngineOutput } from '../engine/engine.ts';
import { RunError } from '../errors.ts';
import { outputLabels } from '../export/column-names.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { identityValues, keysForAllModes } from '../options/option-keys.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { readReducerFile } from '../reduce/reducer-file.ts';
import { ReducerFitter } from '../reduce/reducer-fitter.ts';
import { readIntact } from '../run/intact-files.ts';
import { type RunJson, readNamedRun } from '../run/run-json.ts';
import { everyRow, type RunStore } from '../run/run-store.ts';
import type { OutputStore } from '../storage/output-store.ts';
import type { Extractor } from './extractor/extractor.ts';
import { networkHash } from './identify-run.ts';

/** What the main loop passes for each shard, and what it gets at the end: one reducer for each output. */
export interface ShardSums {
  /** A shard just committed, still in memory: float32 [n, length] for each output. */
  addShard(id: number, n: number, outputs: readonly Float32Array[]): Promise<void>;
  finish(): Promise<Reducer[]>;
}

/**
 * Adds the rows of all shards in their order to one reducer for each output, while the run computes.
 * Shards that an earlier attempt committed are read from the store when their turn comes, so that the
 * sums, and with them the bytes, are those of an undisturbed run.
 */
export class ReducerFitting implements ShardSums {
  readonly #store: RunStore;
  readonly #fitters: readonly ReducerFitter[];
  readonly #signal: AbortSignal;
  /** Of so many rows the first is added: all rows, or the plain view of each image. */
  readonly #step: number;
  /** Next shard to add. */
  #next = 0;

  constructor(
    store: RunStore,
    outputs: readonly EngineOutput[],
    options: Pick<ExtractOptions, 'k' | 'standardize' | 'seedCompat' | 'fitViews'>,
    signal: AbortSignal,
  ) {
    this.#signal = signal;
    const { k, standardize, seedCompat } = options;
    this.#store = store;
    this.#step = options.fitViews === 'all' ? 1 : store.plan.views;
    this.#fitters =
      k === 0
        ? []
        : outputs.map(
            ({ length }) => new ReducerFitter(length, { k, standardize, center: !seedCompat }),
          );
  }

  async addShard(id: number, n: number, outputs: readonly Float32Array[]): Promise<void> {
    if (this.#fitters.length === 0) return;
    await this.#catchUp(id);
    await this.#add(n, outputs);
  }

  /** @returns one reducer for each output, none with k = 0. */
  async finish(): Promise<Reducer[]> {
    if (this.#fitters.length === 0) return [];
    await this.#catchUp(this.#store.plan.shards.length);
    const reducers: Reducer[] = [];
    for (const [output, fitter] of this.#fitters.entries()) {
      const blocks = this.#store.featureBlocks(output, this.#step);
      reducers.push(await fitter.finish(blocks, this.#signal));
    }
    return reducers;
  }

  async #catchUp(end: number): Promise<void> {
    while (this.#next < end) {
      const { indices, outputs } = await this.#store.readShard(this.#next);
      await this.#add(indices.length, outputs);
    }
  }

  async #add(n: number, outputs: readonly Float32Array[]): Promise<void> {
    for (const [output, fitter] of this.#fitters.entries()) {
      if (n > 0) await fitter.add(everyRow({ values: outputs[output], n }, this.#step));
    }
    this.#next += 1;
  }
}

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

/** Nothing is fitted on the rows of one of several jobs. */
export const NOT_FITTED: ShardSums = { addShard: async () => {}, finish: async () => [] };

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
  const keys = keysForAllModes('vectors', 'reducer');
  const [before, now] = [identityValues(there, keys), identityValues(options, keys)];
  const pairs: [string, unknown, unknown][] = [
    ['mode', there.mode, options.mode],
    ...keys.map((key): [string, unknown, unknown] => [key, before[key], now[key]]),
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
    .map(([name, was, is]) => `${name} was ${was ?? 'not set'}, is ${is ?? 'not set'}`);
  if (differences.length === 0) return;
  throw new RunError(
    `Expected the features that ${target} was fitted on but found others: ${differences.join('; ')}.`,
    {
      fix: 'Leave these options out (transform takes them from that run), or name its model by --model.',
    },
  );
}
