import type { RunEvent } from '../../events.ts';
import type { DecodePool } from '../../image/pool/decode-pool.ts';
import type { Manifest } from '../../run/manifest.ts';
import type { RunStore } from '../../run/run-store.ts';
import type { Source } from '../../source/source.ts';
import type { Extractor } from '../extractor/extractor.ts';
import type { ShardSums } from '../reducer-fitting.ts';
import type { ReusedRows } from '../update/reuse-rows.ts';
import { decodeEntries } from './decode-entries.ts';
import type { Progress } from './progress.ts';
import { runBatches } from './run-batches.ts';
import { ShardBuilder } from './shard-builder.ts';
import type { RunClock } from './stage-clock.ts';
import { watchChunks } from './watch-chunks.ts';

export interface ExtractShardsContext {
  readonly source: Source;
  /** An image with more pixels than this is not even fetched. */
  readonly maxPixels: number;
  readonly manifest: Manifest;
  readonly store: RunStore;
  /** What an update takes over from the finished run, and does not compute. */
  readonly reused: ReusedRows | undefined;
  readonly pool: DecodePool;
  readonly extractor: Extractor;
  readonly fitting: ShardSums;
  readonly progress: Progress;
  readonly clock: RunClock;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/**
 * Computes every shard that is not committed yet: decode -> batch -> network -> shard file.
 *
 * In memory at once: what `decodeEntries` and `runBatches` hold, and one shard.
 */
export async function extractShards(context: ExtractShardsContext): Promise<void> {
  const { source, manifest, store, reused, pool, extractor, fitting, progress, signal } = context;
  const open = store.plan.shards.filter(({ id }) => !store.isCommitted(id));
  if (open.length === 0) return;

  const { maxPixels } = context;
  const { ranges, chunks } = decodeEntries({
    source,
    entries: manifest,
    shards: open,
    pool,
    maxPixels,
    isWanted: reused && ((index) => reused.isWanted(index)),
    signal,
  });
  const originOf = (index: number) => manifest.entry(index).origin;
  const results = runBatches(watchChunks(chunks, context), ranges, extractor, originOf);

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
