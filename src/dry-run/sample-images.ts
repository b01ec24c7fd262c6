import { availableParallelism } from 'node:os';
import { isImg2FeaturesError } from '../errors.ts';
import type { DecodeOptions, DecodeTask } from '../image/decoded-chunk.ts';
import { sniffFormat } from '../image/formats/decode.ts';
import { DecodePool } from '../image/pool/decode-pool.ts';
import type { Manifest } from '../run/manifest.ts';
import { fetchTask, toTask } from '../source/decode-tasks.ts';
import type { Source } from '../source/source.ts';

/** What a sample of a few images shows. JSON-able. */
export interface ImageSample {
  /** Images read and decoded, spread over the whole list. */
  readonly images: number;
  /** What they are by their first bytes, independent of their names. */
  readonly formats: Readonly<Record<string, number>>;
  /** Those that would give no row. */
  readonly rejected: readonly {
    readonly origin: string;
    readonly reason: string;
    readonly message: string;
  }[];
  /** Images read, decoded and resized in a second by all workers; null where none could be tried. */
  readonly imagesPerSecond: number | null;
  readonly workers: number;
}

export interface SampleOptions {
  readonly decode: DecodeOptions;
  readonly workers: number;
  readonly imageTimeoutMs: number;
}

const MOST_IMAGES = 64;
/** Each costs a request, and its bytes the line. */
const MOST_REMOTE_IMAGES = 16;
const MOST_REMOTE_BYTES = 8 << 20;
const LONGEST_MS = 2000;

/** Decodes up to 64 images for at most about two seconds, as a run would. */
export async function sampleImages(
  source: Source,
  manifest: Manifest,
  { decode, workers, imageTimeoutMs }: SampleOptions,
  signal: AbortSignal,
): Promise<ImageSample> {
  const indices = spread(manifest, source.isInStore ? MOST_REMOTE_IMAGES : MOST_IMAGES);
  const formats = new Map<string, number>();
  const rejected: { origin: string; reason: string; message: string }[] = [];
  const threads = Math.min(workers, availableParallelism());
  // One at a time: a busy second thread would lengthen what is measured of the first.
  const pool = new DecodePool(decode, 1, { imageTimeoutMs: Math.min(imageTimeoutMs, LONGEST_MS) });
  let started: number | undefined; // once the worker's decoders are loaded
  const workMs: number[] = [];
  let images = 0;
  try {
    for (const index of indices) {
      if (started !== undefined && performance.now() - started > LONGEST_MS) break;
      const entry = manifest.entry(index);
      if (source.isInStore && entry.size > MOST_REMOTE_BYTES) continue;
      const task = await taskOf(source, manifest, index, signal);
      if (task === undefined) continue;
      images += 1;
      increment(formats, task.format);
      for await (const { rejections, timing } of pool.decode([[task.task]], signal)) {
        for (const { reason, message } of rejections) {
          rejected.push({ origin: entry.origin, reason, message });
        }
        workMs.push(timing.readMs + timing.decodeMs + timing.resizeMs);
      }
      started ??= performance.now();
    }
  } finally {
    await pool.close();
  }
  // The first ones load and compile the decoder.
  const steady = workMs.slice(Math.min(8, Math.floor(workMs.length / 4)));
  const perImage = steady.reduce((sum, ms) => sum + ms, 0) / steady.length;
  return {
    images,
    formats: Object.fromEntries([...formats].sort(([, a], [, b]) => b - a)),
    rejected,
    imagesPerSecond: steady.length > 0 && perImage > 0 ? (1000 * threads) / perImage : null,
    workers: threads,
  };
}

/** Positions spread evenly over the list, first and last included. */
function spread({ count }: Manifest, most: number): number[] {
  const n = Math.min(count, most);
  if (n < 2) return n === 1 ? [0] : [];
  return Array.from({ length: n }, (_, i) => Math.round((i * (count - 1)) / (n - 1)));
}

/** The image's bytes are read here, for the format; the run itself rejects an image that is missing. */
async function taskOf(
  source: Source,
  manifest: Manifest,
  index: number,
  signal: AbortSignal,
): Promise<{ readonly task: DecodeTask; readonly format: string } | undefined> {
  const entry = manifest.entry(index);
  try {
    const listed = toTask(index, entry, source, signal);
    const task = await fetchTask({ ...listed, origin: entry.origin });
    // A local file is read by the worker once more, so that reading is part of the time.
    const sniffed = sniffFormat(task.bytes ?? (await source.read(entry, signal)));
    return { task, format: sniffed.kind === 'other' ? sniffed.name : sniffed.kind };
  } catch (error) {
    signal.throwIfAborted();
    if (isImg2FeaturesError(error)) throw error;
    return undefined;
  }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
