import type { DecodedChunk, ImageRejection } from '../../image/decoded-chunk.ts';
import type { DecodePool } from '../../image/pool/decode-pool.ts';
import type { ShardContent } from '../../run/shard-records.ts';
import type { Run } from '../run.ts';
import { type DecodeEntriesOptions, decodeEntries } from './decode-entries.ts';
import { runBatches } from './run-batches.ts';

/**
 * Computes every shard that is not committed yet: decode -> batch -> network -> shard file. A shard is written and
 * committed while the next one is computed.
 *
 * In memory at once: what `decodeEntries` and `runBatches` hold, and two shards.
 * @throws what stops any of this, as soon as it is known; what was being written is written by then, or has failed
 */
export async function extractShards(run: Run, pool: DecodePool): Promise<void> {
  const { options, store, update, extractor, fitting, progress, signal } = run;
  const open = store.plan.shards.filter(({ id }) => !store.isCommitted(id));
  if (open.length === 0) return;

  // What an update reuses from the finished run is not computed.
  const reused = update?.reused;
  const isWanted = reused && ((index: number) => reused.isWanted(index));
  const maxPixels = options.maxPixels * 1e6;
  const results = computeBatches(run, { shards: open, pool, maxPixels, isWanted });
  const lengths = extractor.outputs.map(({ length }) => length);
  let shard: ShardBuilder | undefined;
  let writing: Promise<unknown> = Promise.resolve();
  let failure: { readonly error: unknown } | undefined;
  /** Of shards that are written. New memory for each would keep the garbage collector busy. */
  const spare: Float32Array[][] = [];
  try {
    for await (const { batch, outputs } of results) {
      signal.throwIfAborted();
      if (failure !== undefined) throw failure.error;
      const { id, start, end } = store.shard(batch.shard);
      shard ??= new ShardBuilder((end - start) * store.plan.views, lengths, spare.pop());
      shard.append(batch.indices, outputs, batch.rejections);
      progress.advance(batch.indices.length, batch.rejections.length);
      if (batch.isLastOfShard) {
        const computed = shard.content();
        const rows = (await reused?.complete(id, computed)) ?? computed;
        await writing;
        const { matrices } = shard;
        writing = store.writeShard(id, rows, extractor.engineReport?.().halvedTo);
        writing.then(
          () => spare.push(matrices),
          (error) => {
            failure = { error };
          },
        );
        await fitting.addShard(id, rows.indices.length, rows.outputs);
        shard = undefined;
      }
    }
    await writing;
  } finally {
    await Promise.allSettled([writing]);
  }
}

/** Batches of the shards' images with their vectors, in row order: decode -> batch -> network. */
export function computeBatches(
  run: Pick<
    Run,
    'options' | 'source' | 'manifest' | 'clock' | 'progress' | 'extractor' | 'onEvent' | 'signal'
  >,
  images: Pick<DecodeEntriesOptions, 'shards' | 'pool' | 'maxPixels' | 'isWanted'>,
) {
  const { options, source, manifest, extractor, signal } = run;
  const { ranges, chunks } = decodeEntries({ source, entries: manifest, signal, ...images });
  const originOf = (index: number) => manifest.entry(index).origin;
  const recycle = (chunk: DecodedChunk) => images.pool.recycle(chunk);
  const watched = watchChunks(chunks, run, images.pool.views);
  return runBatches(watched, ranges, extractor, options, originOf, recycle);
}

/** The rows of one shard, gathered batch by batch: float32 [rows, length] for each output. */
export class ShardBuilder {
  readonly #indices: number[] = [];
  readonly #rejections: ImageRejection[] = [];
  /** The memory behind the rows. */
  readonly matrices: Float32Array[];
  readonly #lengths: readonly number[];

  /** @param matrices of a shard that is done with */
  constructor(maxRows: number, lengths: readonly number[], matrices?: Float32Array[]) {
    this.#lengths = lengths;
    this.matrices = lengths.map((length, i) => {
      const spare = matrices?.[i];
      return spare && spare.length >= maxRows * length ? spare : new Float32Array(maxRows * length);
    });
  }

  /** @param outputs float32 [indices.length, length] for each output, in the order of the lengths. */
  append(
    indices: readonly number[],
    outputs: readonly Float32Array[],
    rejections: readonly ImageRejection[],
  ): void {
    outputs.forEach((values, i) => {
      this.matrices[i].set(values, this.#indices.length * this.#lengths[i]);
    });
    this.#indices.push(...indices);
    this.#rejections.push(...rejections);
  }

  /** All that was appended; the outputs are views of exactly those rows. */
  content(): ShardContent {
    const outputs = this.matrices.map((matrix, i) =>
      matrix.subarray(0, this.#indices.length * this.#lengths[i]),
    );
    return { indices: this.#indices, outputs, rejections: this.#rejections };
  }
}

/** The rejection of each image when the whole input is missing. */
const LOST: ReadonlySet<string> = new Set(['vanished', 'changed', 'unreadable', 'broken_link']);

/** Passes chunks on, reports bad images and adds up the workers' time. @throws SourceError when the input is missing */
async function* watchChunks(
  chunks: AsyncIterable<DecodedChunk>,
  {
    source,
    manifest,
    clock,
    progress,
    onEvent,
  }: Pick<Run, 'source' | 'manifest' | 'clock' | 'progress' | 'onEvent'>,
  views: number,
): AsyncGenerator<DecodedChunk> {
  for await (const chunk of chunks) {
    clock.add('read', chunk.timing.readMs);
    clock.add('decode', chunk.timing.decodeMs);
    clock.add('resize', chunk.timing.resizeMs);
    // Where the disk is missing, its images must not be rejected one by one.
    if (chunk.rejections.some(({ reason }) => LOST.has(reason))) source.expectThere?.();
    for (const { index, reason, message } of chunk.rejections) {
      onEvent({ event: 'rejected', origin: manifest.entry(index).origin, reason, message });
    }
    progress.addDecoded(chunk.indices.length / views + chunk.rejections.length);
    yield chunk;
  }
}
