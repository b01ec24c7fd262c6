import { DecodeError } from '../../image/decode-error.ts';
import type { DecodedChunk, DecodeTask, ImageRejection } from '../../image/decoded-chunk.ts';
import { expectPlausibleSize } from '../../image/read-image-file.ts';
import type { Source, SourceEntry } from '../../source/source.ts';
import type { ChunkRange } from './chunk-ranges.ts';

/** What may be fetched ahead of the decoder. A single image larger than `bytes` goes alone. */
export interface LookAhead {
  readonly images: number;
  readonly bytes: number;
}

/** Enough for 64 requests in flight while the decoder takes whole chunks; the memory that it may cost. */
export const LOOK_AHEAD: LookAhead = { images: 192, bytes: 64 << 20 };

export interface FetchFrom {
  readonly source: Source;
  readonly entries: { entry(index: number): SourceEntry };
  /** Objects larger than any image of so many pixels are rejected unread. */
  readonly maxPixels: number;
  readonly lookAhead?: LookAhead;
}

/**
 * Fetches images of a source that workers cannot open, ahead of their turn, and hands them on chunk by
 * chunk in manifest order. Images that are gone or have changed are kept for `complete` to add as rejections.
 * The store itself limits how many requests are in flight.
 */
export class FetchedChunks {
  /** Of chunks handed out and not yet back. */
  readonly #rejections: ImageRejection[][] = [];

  readonly #from: FetchFrom;

  constructor(from: FetchFrom) {
    this.#from = from;
  }

  /** @throws SourceError when the store fails */
  async *tasks(ranges: readonly ChunkRange[], signal: AbortSignal): AsyncGenerator<DecodeTask[]> {
    const { source, entries } = this.#from;
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    const fetched = fetchAhead(this.#from, positions(ranges), ended);
    try {
      for (const { start, end } of ranges) {
        const tasks: DecodeTask[] = [];
        const rejections: ImageRejection[] = [];
        for (let index = start; index < end; index++) {
          const body = (await fetched.next()).value as Uint8Array | DecodeError;
          if (body instanceof DecodeError) {
            rejections.push({ index, reason: body.reason, message: body.message });
          } else {
            const readAgain = () => source.read(entries.entry(index), signal);
            tasks.push({ index, bytes: body, readAgain });
          }
        }
        this.#rejections.push(rejections);
        yield tasks;
      }
    } finally {
      // What is still on its way has no taker any more.
      stop.abort(new Error('no longer wanted'));
      await fetched.return(undefined);
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

function* positions(ranges: readonly ChunkRange[]): Generator<number> {
  for (const { start, end } of ranges) for (let index = start; index < end; index++) yield index;
}

interface Fetch {
  readonly body: Promise<Uint8Array | DecodeError>;
  readonly size: number;
}

/** Bodies in the order of `indices`, with as many on their way as look-ahead allows. */
async function* fetchAhead(
  { source, entries, maxPixels, lookAhead = LOOK_AHEAD }: FetchFrom,
  indices: Generator<number>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array | DecodeError> {
  const read = async (entry: SourceEntry) => {
    expectPlausibleSize(entry.size, maxPixels);
    return source.read(entry, signal);
  };
  const fetches: Fetch[] = [];
  let bytes = 0;
  let next = indices.next();
  try {
    for (;;) {
      while (!next.done && fetches.length < lookAhead.images) {
        const entry = entries.entry(next.value);
        if (fetches.length > 0 && bytes + entry.size > lookAhead.bytes) break;
        const body = read(entry).catch((error: unknown) => {
          if (error instanceof DecodeError) return error;
          throw error;
        });
        body.catch(() => {}); // its error is thrown when its turn comes
        fetches.push({ body, size: entry.size });
        bytes += entry.size;
        next = indices.next();
      }
      const first = fetches.shift();
      if (first === undefined) return;
      yield await first.body;
      bytes -= first.size;
    }
  } finally {
    await Promise.allSettled(fetches.map(({ body }) => body));
  }
}
