import { DecodeError } from '../image/decode-error.ts';
import type { DecodedChunk, DecodeOptions, DecodeTask } from '../image/decoded-chunk.ts';
import { DecodePool } from '../image/pool/decode-pool.ts';
import { fetchAhead, toTask } from '../source/decode-tasks.ts';
import { base64 } from './base64.ts';
import type { PageThumbs } from './page-data.ts';
import type { SourceImages } from './source-images.ts';

/** Pixels of a picture's side; images are squeezed into a square, as a network sees them. */
const SIDE = 64;
/** Pictures in a row of a sheet, and rows. */
const PER_ROW = 16;
/** Time that pictures may take: a run on a fast GPU must not wait long for its page. */
const MOST_MS = 10_000;
/** Bytes of all sheets together; the page carries a third more, as base64. */
const MOST_BYTES = 8 << 20;
const CHUNK = 16;

/** Pictures by default; of a store fewer, because each is a request. */
export const DEFAULT_THUMBS = { files: 2000, objects: 200 };

export interface SheetOptions {
  readonly most: number;
  /** Undefined: as long as it takes, for a number that the user asked for. */
  readonly isDefault: boolean;
  readonly decode: Pick<DecodeOptions, 'exif' | 'maxPixels' | 'tiff'>;
  readonly imageTimeoutMs: number;
  readonly workers: number;
  readonly signal: AbortSignal;
}

/** Decodes some images once more and packs them as small pictures into WebP sheets. */
export async function sheetThumbs(
  images: SourceImages,
  order: Iterable<number>,
  pointOf: (row: number) => number | undefined,
  options: SheetOptions,
): Promise<PageThumbs> {
  const { most, isDefault, decode, imageTimeoutMs, workers, signal } = options;
  const until = performance.now() + (isDefault ? MOST_MS : Number.POSITIVE_INFINITY);
  const sheets = new Sheets();
  const pool = new DecodePool(
    { ...decode, width: SIDE, height: SIDE, resize: 'bilinear', channels: 'rgb' },
    workers,
    { imageTimeoutMs },
  );
  let ended = '';
  try {
    const rows = take(order, most, pointOf);
    const tasks = taskChunks(images, rows, () => ended !== '', signal);
    for await (const chunk of pool.decode(fetched(tasks, options), signal)) {
      await addAll(chunk, sheets, pointOf);
      if (performance.now() > until) ended = `${MOST_MS / 1000} s of decoding`;
      if (sheets.bytes > MOST_BYTES) ended = `${MOST_BYTES >> 20} MB`;
      if (ended !== '') break;
    }
    await sheets.finish();
  } finally {
    await pool.close();
  }
  const why = ended === '' ? `at most ${most}` : `ended after ${ended}`;
  return {
    kind: sheets.points.length === 0 ? 'none' : 'sheets',
    side: SIDE,
    perRow: PER_ROW,
    points: base64(Int32Array.from(sheets.points)),
    data: sheets.data,
    bytes: sheets.bytes,
    note:
      sheets.points.length === 0
        ? 'No picture: the images could not be read again.'
        : `${sheets.points.length} images have a picture (${why}${images.isLocal ? '' : '; fewer for a store, where each is a request'}), spread over the classes; --thumbnails sets how many.`,
  };
}

function* take(
  order: Iterable<number>,
  most: number,
  pointOf: (row: number) => number | undefined,
): Generator<number> {
  let left = most;
  for (const row of order) {
    if (left === 0) return;
    if (pointOf(row) === undefined) continue;
    left--;
    yield row;
  }
}

function* taskChunks(
  images: SourceImages,
  rows: Iterable<number>,
  hasEnded: () => boolean,
  signal: AbortSignal,
): Generator<DecodeTask[]> {
  let chunk: DecodeTask[] = [];
  for (const row of rows) {
    if (hasEnded()) return;
    const entry = images.entryOf(row);
    if (entry === undefined) continue;
    const read = async () => {
      const bytes = await images.read(row);
      if (bytes !== undefined) return bytes;
      throw new DecodeError('vanished', 'Expected the image again but found it out of reach.');
    };
    chunk.push(toTask(row, entry, { isLocal: images.isLocal, read }, signal));
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

async function* fetched(
  chunks: Iterable<DecodeTask[]>,
  { decode: { maxPixels }, signal }: SheetOptions,
): AsyncGenerator<readonly DecodeTask[]> {
  // Each is a request: no more than a chunk is asked for before it is known whether there is time for it.
  const lookAhead = { images: CHUNK, bytes: Number.POSITIVE_INFINITY };
  for await (const { tasks } of fetchAhead(chunks, { maxPixels, lookAhead, signal })) yield tasks;
}

async function addAll(
  { indices, pixels }: DecodedChunk,
  sheets: Sheets,
  pointOf: (row: number) => number | undefined,
): Promise<void> {
  const size = SIDE * SIDE * 3;
  for (const [i, row] of indices.entries()) {
    await sheets.add(pixels.subarray(i * size, (i + 1) * size), pointOf(row)!);
  }
}

/** Pictures side by side in squares of PER_ROW × PER_ROW, each a WebP file. */
class Sheets {
  readonly points: number[] = [];
  readonly data: string[] = [];
  bytes = 0;
  #sheet: Buffer | undefined;
  #used = 0;

  async add(picture: Uint8Array, point: number): Promise<void> {
    const width = PER_ROW * SIDE * 3;
    this.#sheet ??= Buffer.alloc(width * PER_ROW * SIDE, 0xff);
    const left = (this.#used % PER_ROW) * SIDE * 3;
    const top = Math.floor(this.#used / PER_ROW) * SIDE;
    for (let y = 0; y < SIDE; y++) {
      this.#sheet.set(picture.subarray(y * SIDE * 3, (y + 1) * SIDE * 3), (top + y) * width + left);
    }
    this.points.push(point);
    this.#used++;
    if (this.#used === PER_ROW * PER_ROW) await this.finish();
  }

  /** Ends the sheet that is open, cut to the rows in use. */
  async finish(): Promise<void> {
    if (this.#sheet === undefined) return;
    const { default: sharp } = await import('sharp');
    const height = Math.ceil(this.#used / PER_ROW) * SIDE;
    const width = PER_ROW * SIDE;
    const raw = this.#sheet.subarray(0, width * height * 3);
    const webp = await sharp(raw, { raw: { width, height, channels: 3 } })
      .webp({ quality: 70, effort: 2 })
      .toBuffer();
    this.data.push(webp.toString('base64'));
    this.bytes += webp.byteLength;
    this.#sheet = undefined;
    this.#used = 0;
  }
}
