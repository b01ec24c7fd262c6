import type { RunEvent } from '../events.ts';
import type { DecodePool } from '../image/decode-pool.ts';
import type { DecodedChunk } from '../image/decoded-chunk.ts';
import type { Manifest } from '../run/manifest.ts';
import type { RunStore } from '../run/run-store.ts';
import type { Source } from '../source/source.ts';
import { chunkRanges, decodeTasks } from './chunk-ranges.ts';
import type { Extractor } from './extractor.ts';
import { FetchedChunks } from './fetch-tasks.ts';
import { mapOrdered } from './map-ordered.ts';
import { packBatches } from './pack-batches.ts';
import type { Progress } from './progress.ts';
import type { ShardSums } from './reducer-fitting.ts';
import { ShardBuilder } from './shard-builder.ts';
import type { RunClock } from './stage-clock.ts';

/** Images that a worker takes in one go: enough to hide a message's cost, few enough to spread evenly. */
const CHUNK_IMAGES = 16;
/** The same for bodies that were fetched: they wait in memory for their worker. */
const CHUNK_BYTES = 8 << 20;

export interface ExtractShardsContext {
  readonly source: Source;
  /** An image with more pixels than this is not even fetched. */
  readonly maxPixels: number;
  readonly manifest: Manifest;
  readonly store: RunStore;
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
 * In memory at once: the chunks on their way through the pool (2 × workers + 1), `inFlight` + 1 batches,
 * one shard, and what is fetched ahead from a store (LOOK_AHEAD, and CHUNK_BYTES in each chunk).
 */
export async function extractShards(context: ExtractShardsContext): Promise<void> {
  const { source, manifest, store, pool, extractor, fitting, progress, signal } = context;
  const open = store.plan.shards.filter(({ id }) => !store.isCommitted(id));
  if (open.length === 0) return;

  const [height, width] = extractor.inputSize;
  const bodies = { most: CHUNK_BYTES, sizeOf: (index: number) => manifest.entry(index).size };
  const ranges = chunkRanges(open, CHUNK_IMAGES, source.isLocal ? undefined : bodies);
  // Workers open local files themselves; others are fetched ahead of them.
  const fetched = new FetchedChunks({ source, entries: manifest, maxPixels: context.maxPixels });
  const decoded = source.isLocal
    ? pool.decode(decodeTasks(ranges, manifest), signal)
    : fetched.complete(pool.decode(fetched.tasks(ranges, signal), signal));
  const batches = packBatches(
    watch(decoded, context),
    ranges,
    extractor.batchSize,
    height * width * 3,
  );
  const results = mapOrdered(batches, extractor.inFlight, async (batch) => ({
    batch,
    outputs:
      batch.indices.length === 0
        ? extractor.outputs.map(() => new Float32Array(0))
        : await extractor.run(batch.pixels, batch.indices.length),
  }));

  const lengths = extractor.outputs.map(({ length }) => length);
  let shard: ShardBuilder | undefined;
  for await (const { batch, outputs } of results) {
    signal.throwIfAborted();
    const { id, start, end } = store.plan.shards[batch.shard]!;
    shard ??= new ShardBuilder(end - start, lengths);
    shard.append(batch.indices, outputs, batch.rejections);
    progress.advance(batch.indices.length, batch.rejections.length);
    if (batch.isLastOfShard) {
      await store.writeShard(id, shard);
      await fitting.addShard(id, shard.indices.length, shard.outputs);
      shard = undefined;
    }
  }
}

/** What becomes of each image when the whole input is gone. */
const LOST: ReadonlySet<string> = new Set(['vanished', 'changed', 'unreadable', 'broken_link']);

/** Passes chunks on, telling of bad images and adding up the workers' time. */
async function* watch(
  chunks: AsyncIterable<DecodedChunk>,
  { source, manifest, clock, onEvent }: ExtractShardsContext,
): AsyncGenerator<DecodedChunk> {
  for await (const chunk of chunks) {
    clock.add('read', chunk.timing.readMs);
    clock.add('decode', chunk.timing.decodeMs);
    clock.add('resize', chunk.timing.resizeMs);
    // A disk that went away is no fault of the images on it.
    if (chunk.rejections.some(({ reason }) => LOST.has(reason))) source.expectThere?.();
    for (const { index, reason, message } of chunk.rejections) {
      onEvent({ event: 'rejected', origin: manifest.entry(index).origin, reason, message });
    }
    yield chunk;
  }
}
