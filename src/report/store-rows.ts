import type { RowBatch, RunRows } from '../findings/run-rows.ts';
import type { Reducer } from '../reduce/reducer.ts';
import type { Manifest } from '../run/manifest.ts';
import type { RunStore } from '../run/run-store.ts';

/** Rows of a run that is about to end, from its work folder: its table need not be readable yet (S3). */
export function storeRows(
  store: RunStore,
  manifest: Manifest,
  /** Values in a vector of the first output, which is the one looked at. */
  dims: number,
  reducer: Reducer | undefined,
): RunRows & { /** The manifest position of each row. */ readonly indices: Uint32Array } {
  const { shards } = store.plan;
  const count = shards.reduce((sum, { id }) => sum + store.shardRecord(id).rows, 0);
  const indices = new Uint32Array(count);
  return {
    count,
    dims,
    k: reducer?.k ?? 0,
    indices,
    async *batches(): AsyncGenerator<RowBatch> {
      let at = 0;
      for (const { id } of shards) {
        if (store.shardRecord(id).rows === 0) continue;
        const { indices: positions, outputs } = await store.readShard(id);
        const n = positions.length;
        indices.set(positions, at);
        at += n;
        const entries = Array.from(positions, (index) => manifest.entry(index));
        yield {
          n,
          origins: entries.map(({ origin }) => origin),
          targets: entries.map(({ target }) => target),
          vectors: outputs[0]!,
          reduced: reducer?.transform(outputs[0]!, n) ?? new Float64Array(0),
        };
      }
    },
  };
}
