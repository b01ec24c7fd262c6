import type { EngineOutput } from '../engine/engine.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { ReducerFitter } from '../reduce/reducer-fitter.ts';
import type { RunStore } from '../run/run-store.ts';

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
  /** Next shard to add. */
  #next = 0;

  constructor(
    store: RunStore,
    outputs: readonly EngineOutput[],
    options: Pick<ExtractOptions, 'k' | 'standardize' | 'seedCompat'>,
    signal: AbortSignal,
  ) {
    this.#signal = signal;
    const { k, standardize, seedCompat } = options;
    this.#store = store;
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
    this.#add(n, outputs);
  }

  /** @returns one reducer for each output, none with k = 0. */
  async finish(): Promise<Reducer[]> {
    if (this.#fitters.length === 0) return [];
    await this.#catchUp(this.#store.plan.shards.length);
    const reducers: Reducer[] = [];
    for (const [output, fitter] of this.#fitters.entries()) {
      reducers.push(await fitter.finish(this.#store.featureBlocks(output), this.#signal));
    }
    return reducers;
  }

  async #catchUp(end: number): Promise<void> {
    while (this.#next < end) {
      const { indices, outputs } = await this.#store.readShard(this.#next);
      this.#add(indices.length, outputs);
    }
  }

  #add(n: number, outputs: readonly Float32Array[]): void {
    this.#fitters.forEach((fitter, output) => {
      if (n > 0) fitter.add({ values: outputs[output], n });
    });
    this.#next += 1;
  }
}
