import type { DecodedChunk, DecodeTask, ImageRejection } from '../../image/decoded-chunk.ts';
import type { DecodePool } from '../../image/pool/decode-pool.ts';
import { fetchAhead, type LookAhead, toTask } from '../../source/decode-tasks.ts';
import type { Source, SourceEntry } from '../../source/source.ts';

/**
 * Images that a worker takes at once: enough to hide a message's cost, few enough to spread evenly. Small
 * ones are decoded fast, and more of them go together.
 */
const CHUNK_IMAGES = 16;
const MOST_CHUNK_IMAGES = 64;
/** Rows of a chunk where there are more than CHUNK_IMAGES. */
const CHUNK_ROW_BYTES = 256 << 10;
/** The same for bodies that were fetched: they wait in memory for their worker. */
const CHUNK_BYTES = 8 << 20;

interface DecodeFrom {
  readonly source: Source;
  readonly entries: { entry(index: number): SourceEntry };
  /** Views of an image are drawn from its name. */
  readonly isNamed?: boolean;
  /** Objects larger than any image of so many pixels are rejected unread. */
  readonly maxPixels: number;
}

export interface DecodeEntriesOptions extends DecodeFrom {
  readonly shards: readonly ShardRange[];
  readonly pool: DecodePool;
  /** Images of the shards that are passed over where it says false; undefined = none. */
  readonly isWanted?: ((index: number) => boolean) | undefined;
  readonly signal: AbortSignal;
}

/**
 * Decodes the images of the shards, in their order: one chunk for each of the ranges.
 *
 * In memory at once: the chunks in flight through the pool (2 × workers + 1), and what is fetched
 * ahead from a store (LOOK_AHEAD, and CHUNK_BYTES in each chunk).
 */
export function decodeEntries(options: DecodeEntriesOptions): {
  readonly ranges: readonly ChunkRange[];
  readonly chunks: AsyncIterable<DecodedChunk>;
} {
  const { source, entries, shards, pool, maxPixels, isWanted, signal } = options;
  const bodies = { most: CHUNK_BYTES, sizeOf: (index: number) => entries.entry(index).size };
  const small = Math.min(MOST_CHUNK_IMAGES, Math.floor(CHUNK_ROW_BYTES / pool.imageBytes));
  const images = Math.max(Math.ceil(CHUNK_IMAGES / pool.views), small);
  const ranges = chunkRanges(shards, images, source.isLocal ? undefined : bodies, isWanted);
  const from = { source, entries, maxPixels, isNamed: pool.views > 1 };
  if (source.isLocal) return { ranges, chunks: pool.decode(tasksOf(ranges, from, signal), signal) };
  const fetched = new FetchedChunks(from);
  return { ranges, chunks: fetched.complete(pool.decode(fetched.tasks(ranges, signal), signal)) };
}

function* tasksOf(
  ranges: readonly ChunkRange[],
  { source, entries, isNamed }: DecodeFrom,
  signal: AbortSignal,
): Generator<DecodeTask[]> {
  for (const { start, end } of ranges) {
    yield Array.from({ length: end - start }, (_, i) => {
      const entry = entries.entry(start + i);
      const task = toTask(start + i, entry, source, signal);
      return isNamed ? { ...task, origin: entry.origin } : task;
    });
  }
}

/**
 * Images of a source that workers cannot open, fetched ahead of their turn, chunk by chunk in manifest order.
 * Those that are gone or have changed are kept for `complete` to add as rejections.
 */
export class FetchedChunks {
  /** Of chunks handed out and not yet back. */
  readonly #rejections: (readonly ImageRejection[])[] = [];
  readonly #from: DecodeFrom & { readonly lookAhead?: LookAhead };

  constructor(from: DecodeFrom & { readonly lookAhead?: LookAhead }) {
    this.#from = from;
  }

  /** @throws SourceError when the store fails */
  async *tasks(ranges: readonly ChunkRange[], signal: AbortSignal) {
    const { maxPixels, lookAhead } = this.#from;
    const chunks = tasksOf(ranges, this.#from, signal);
    for await (const chunk of fetchAhead(chunks, { maxPixels, lookAhead, signal })) {
      this.#rejections.push(chunk.rejections);
      yield chunk.tasks;
    }
  }

  /** Adds what could not be fetched to the chunks that `tasks` led to. */
  async *complete(chunks: AsyncIterable<DecodedChunk>): AsyncGenerator<DecodedChunk> {
    for await (const chunk of chunks) {
      const missing = this.#rejections.shift()!;
      const rejections = [...chunk.rejections, ...missing].sort((a, b) => a.index - b.index);
      yield missing.length === 0 ? chunk : { ...chunk, rejections };
    }
  }
}

/** A few neighbouring manifest positions that one worker decodes together; never crosses a shard. */
export interface ChunkRange {
  readonly shard: number;
  readonly start: number;
  /** One past the last position. */
  readonly end: number;
  readonly isLastOfShard: boolean;
}

interface ShardRange {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Cuts shards into chunks of at most `chunkSize` images and, where bodies are held in memory, of at most
 * `bytes.most` (but one image at least). Images that are not wanted are in no chunk. A shard without
 * images gives one empty chunk.
 */
export function chunkRanges(
  shards: readonly ShardRange[],
  chunkSize: number,
  bytes?: { readonly most: number; readonly sizeOf: (index: number) => number },
  isWanted: (index: number) => boolean = () => true,
): ChunkRange[] {
  return shards.flatMap((shard) => {
    const chunks: ChunkRange[] = [];
    let start = nextWanted(shard.start);
    do {
      let end = start;
      while (end < Math.min(start + chunkSize, shard.end) && isWanted(end)) end++;
      if (bytes !== undefined) {
        let sum = 0;
        for (let i = start; i < end; i++) {
          sum += bytes.sizeOf(i);
          if (sum > bytes.most) end = Math.max(i, start + 1);
        }
      }
      const next = nextWanted(end);
      chunks.push({ shard: shard.id, start, end, isLastOfShard: next === shard.end });
      start = next;
    } while (start < shard.end);
    return chunks;

    function nextWanted(from: number): number {
      let index = from;
      while (index < shard.end && !isWanted(index)) index++;
      return index;
    }
  });
}
