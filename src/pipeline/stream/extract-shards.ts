import type { DecodePool } from '../../image/pool/decode-pool.ts';
import type { Run } from '../run.ts';
import { decodeEntries } from './decode-entries.ts';
import { runBatches } from './run-batches.ts';
import { ShardBuilder } from './shard-builder.ts';
import { watchChunks } from './watch-chunks.ts';

/**
 * Computes every shard that is not committed yet: decode -> batch -> network -> shard file.
 *
 * In memory at once: what `decodeEntries` and `runBatches` hold, and one shard.
 */
export async function extractShards(run: Run, pool: DecodePool): Promise<void> {
  const { options, source, manifest, store, update, extractor, fitting, progress, signal } = run;
  const open = store.plan.shards.filter(({ id }) => !store.isCommitted(id));
  if (open.length === 0) return;

  // What an update takes over from the finished run is not computed.
  const reused = update?.reused;
  const { ranges, chunks } = decodeEntries({
    source,
    entries: manifest,
    shards: open,
    pool,
    maxPixels: options.maxPixels * 1e6,
    isWanted: reused && ((index) => reused.isWanted(index)),
    signal,
  });
  const originOf = (index: number) => manifest.entry(index).origin;
  const results = runBatches(watchChunks(chunks, run), ranges, extractor, originOf);

  const lengths = extractor.outputs.map(({ length }) => length);
  let shard: ShardBuilder | undefined;
  for await (const { batch, outputs } of results) {
    signal.throwIfAborted();
    const { id, start, end } = store.plan.shards[batch.shard]!;
    shard ??= new ShardBuilder(end - start, lengths);
    shard.append(batch.indices, outputs, batch.rejections);
    progress.advance(batch.indices.length, batch.rejections.length);
    if (batch.isLastOfShard) {
      const computed = shard.content();
      const rows = (await reused?.complete(id, computed)) ?? computed;
      await store.writeShard(id, rows, extractor.engineReport?.().halvedTo);
      await fitting.addShard(id, rows.indices.length, rows.outputs);
      shard = undefined;
    }
  }
}
