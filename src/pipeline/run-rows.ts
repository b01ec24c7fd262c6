import type { RowBatch, RunRows } from '../findings/collect-rows.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { entryOf, hasSplit, type Run } from './run.ts';

/**
 * Rows of a run that is about to end, from its work folder: its table need not be readable yet (S3).
 * @param layer whose vectors they have; reducers are those of the first
 */
export function storeRows(
  run: Run,
  reducers: readonly Reducer[],
  layer = 0,
): RunRows & {
  /** The manifest position of each image with rows. */ readonly indices: Uint32Array;
} {
  const { store, extractor } = run;
  const { shards, views } = store.plan;
  const indices = new Uint32Array(store.rows / views);
  return {
    count: store.rows,
    views,
    dims: extractor.outputs[layer].length,
    k: reducers[0]?.k ?? 0,
    others: reducers.slice(1).map(({ k }) => k),
    indices,
    async *batches(): AsyncGenerator<RowBatch> {
      let at = 0;
      for (const { id } of shards) {
        if (store.shardRecord(id).rows === 0) continue;
        const { indices: positions, outputs } = await store.readShard(id);
        const n = positions.length;
        for (let row = 0; row < n; row += views) indices[at++] = positions[row];
        const entries = Array.from(positions, (index) => entryOf(run, index));
        yield {
          n,
          origins: entries.map(({ origin }) => origin),
          targets: entries.map(({ target }) => target),
          ...(hasSplit(run) && { splits: entries.map(({ split = '' }) => split) }),
          vectors: outputs[layer],
          reduced: reducers[0]?.transform(outputs[0], n) ?? new Float64Array(0),
          others: reducers.slice(1).map((reducer, i) => reducer.transform(outputs[i + 1], n)),
        };
      }
    },
  };
}
