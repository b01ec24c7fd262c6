import { DecodeError } from '../image/decode-error.ts';
import type { DecodedChunk, DecodeTask } from '../image/decoded-chunk.ts';
import { DecodePool } from '../image/pool/decode-pool.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { fetchAhead, toTask } from '../source/decode-tasks.ts';
import { base64, type PageThumbs } from './page-data.ts';
import type { SourceImages } from './source-images.ts';

/** Pictures by default; of a store fewer, because each is a request. */
const DEFAULT_THUMBS = { files: 2000, objects: 200 };
/** Pictures of a pixels run: 300 bytes each, so 400 bytes of the page. */
const MAX_PIXEL_THUMBS = 10_000;
const PIXEL_SIDE = 10;
/** Pixels of a picture's side: the fewer there are, the larger they can be. Images are squeezed into a square; the page shows their own shape. */
const SIDES = [
  { most: 400, side: 160 },
  { most: 2000, side: 96 },
  { most: Number.POSITIVE_INFINITY, side: 64 },
];
/** Most pixels of a sheet's side: 9 MB in a browser. */
const SHEET_SIDE = 1536;
/** Time that pictures may take: a run on a fast GPU must not wait long for its page. */
const MOST_MS = 10_000;
/** Bytes of all sheets together; the page carries a third more, as base64. */
const MOST_BYTES = 8 << 20;
const CHUNK = 16;

export interface ThumbsInput {
  readonly images: SourceImages;
  /** uint8 [rows, 10, 10, 3]: what a pixels run has in its table; undefined for a network. */
  readonly pixels: Uint8Array | undefined;
  /** Rows that get a picture, the most useful first; those without a point get none. */
  readonly order: Iterable<number>;
  /** Rows that have a point. */
  readonly count: number;
  readonly pointOf: (row: number) => number | undefined;
  readonly options: ExtractOptions;
  /** Pictures to make; undefined: the default. */
  readonly thumbnails?: number | undefined;
  /** The images may be read again where the table itself has pictures: not at the end of a run, which would take longer. */
  readonly readsImages?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** Small pictures of some points: the table's own pixels, or images that are decoded once more. */
export async function makeThumbs(input: ThumbsInput): Promise<PageThumbs> {
  const { pixels, thumbnails, readsImages } = input;
  if (thumbnails === 0) {
    const note = 'No pictures were requested (--thumbnails 0).';
    return { kind: 'none', side: 0, perRow: 1, points: '', shapes: '', data: [], bytes: 0, note };
  }
  if (pixels !== undefined && thumbnails === undefined && !readsImages) {
    return pixelThumbs(pixels, input);
  }
  const sheets = await sheetThumbs(input);
  return sheets.kind === 'none' && pixels !== undefined ? pixelThumbs(pixels, input) : sheets;
}

function pixelThumbs(pixels: Uint8Array, input: ThumbsInput): PageThumbs {
  const size = PIXEL_SIDE * PIXEL_SIDE * 3;
  const rows = [...take(input, MAX_PIXEL_THUMBS)];
  const data = new Uint8Array(rows.length * size);
  rows.forEach((row, i) => {
    data.set(pixels.subarray(row * size, (row + 1) * size), i * size);
    if (!input.options.seedCompat) return;
    for (let p = i * size; p < (i + 1) * size; p += 3) {
      [data[p], data[p + 2]] = [data[p + 2], data[p]];
    }
  });
  const isAll = rows.length < MAX_PIXEL_THUMBS;
  return {
    kind: 'pixels',
    side: PIXEL_SIDE,
    perRow: 1,
    points: base64(Int32Array.from(rows, (row) => input.pointOf(row)!)),
    shapes: base64(new Uint8Array(2 * rows.length).fill(255)),
    data: [base64(data)],
    bytes: data.byteLength,
    note: `Pictures are the ${PIXEL_SIDE}×${PIXEL_SIDE} pixels of the table${isAll ? '' : `, of ${rows.length} images spread over the classes`}; \`img2features report <run>\` makes larger ones.`,
  };
}

/** Packs images as small pictures into JPEG sheets. */
async function sheetThumbs(input: ThumbsInput): Promise<PageThumbs> {
  const { images, pointOf, options, thumbnails, signal } = input;
  const { exif, tiff, workers, imageTimeout } = options;
  const most = thumbnails ?? (images.isInStore ? DEFAULT_THUMBS.objects : DEFAULT_THUMBS.files);
  // A number that the user asked for takes as long as it takes.
  const until = thumbnails === undefined ? performance.now() + MOST_MS : Number.POSITIVE_INFINITY;
  const maxPixels = options.maxPixels * 1e6;
  const expected = Math.min(most, input.count);
  const { side } = SIDES.find((size) => expected <= size.most)!;
  const sheets = new Sheets(side);
  const pool = new DecodePool(
    {
      ...{ exif, maxPixels, tiff, resize: 'bilinear', channels: 'rgb' },
      ...{ width: side, height: side },
    },
    workers,
    { imageTimeoutMs: imageTimeout * 1000 },
  );
  let ended = '';
  try {
    const chunks = taskChunks(images, take(input, most), () => ended !== '', signal);
    for await (const chunk of pool.decode(fetched(chunks, maxPixels, signal), signal)) {
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
    side,
    perRow: sheets.perRow,
    points: base64(Int32Array.from(sheets.points)),
    shapes: base64(Uint8Array.from(sheets.shapes)),
    data: sheets.data,
    bytes: sheets.bytes,
    note:
      sheets.points.length === 0
        ? 'No picture: the images could not be read again.'
        : `${sheets.points.length} images have a picture (${why}${images.isInStore ? '; fewer for a store, where each is a request' : ''}), spread over the classes; --thumbnails sets how many.`,
  };
}

function* take({ order, pointOf }: ThumbsInput, most: number): Generator<number> {
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
    chunk.push(
      toTask(row, entry, { isLocal: images.isLocal, fileOf: images.fileOf, read }, signal),
    );
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

async function* fetched(
  chunks: Iterable<DecodeTask[]>,
  maxPixels: number,
  signal: AbortSignal,
): AsyncGenerator<readonly DecodeTask[]> {
  // Each is a request: no more than a chunk is asked for before it is known whether there is time for it.
  const lookAhead = { images: CHUNK, bytes: Number.POSITIVE_INFINITY };
  for await (const { tasks } of fetchAhead(chunks, { maxPixels, lookAhead, signal })) yield tasks;
}

async function addAll(
  { indices, pixels, sizes }: DecodedChunk,
  sheets: Sheets,
  pointOf: (row: number) => number | undefined,
): Promise<void> {
  const size = 3 * sheets.side ** 2;
  for (const [i, row] of indices.entries()) {
    const longer = Math.max(sizes[2 * i], sizes[2 * i + 1]);
    for (const length of [sizes[2 * i], sizes[2 * i + 1]]) {
      sheets.shapes.push(Math.max(1, Math.round((255 * length) / longer)));
    }
    await sheets.add(pixels.subarray(i * size, (i + 1) * size), pointOf(row)!);
  }
}

/** Pictures side by side in squares of perRow × perRow, each a JPEG file. */
class Sheets {
  readonly side: number;
  readonly perRow: number;
  readonly points: number[] = [];
  readonly shapes: number[] = [];
  readonly data: string[] = [];
  bytes = 0;
  #sheet: Buffer | undefined;
  #used = 0;

  constructor(side: number) {
    this.side = side;
    this.perRow = Math.floor(SHEET_SIDE / side);
  }

  async add(picture: Uint8Array, point: number): Promise<void> {
    const { side, perRow } = this;
    const width = perRow * side * 3;
    this.#sheet ??= Buffer.alloc(width * perRow * side, 0xff);
    const left = (this.#used % perRow) * side * 3;
    const top = Math.floor(this.#used / perRow) * side;
    for (let y = 0; y < side; y++) {
      this.#sheet.set(picture.subarray(y * side * 3, (y + 1) * side * 3), (top + y) * width + left);
    }
    this.points.push(point);
    this.#used++;
    if (this.#used === perRow ** 2) await this.finish();
  }

  /** Ends the sheet that is open, cut to the rows in use. */
  async finish(): Promise<void> {
    if (this.#sheet === undefined) return;
    const { default: sharp } = await import('sharp');
    const height = Math.ceil(this.#used / this.perRow) * this.side;
    const width = this.perRow * this.side;
    const raw = this.#sheet.subarray(0, width * height * 3);
    // A JPEG of pictures of 100 pixels takes a fifth of WebP's processor time, and a fifth more bytes.
    const jpeg = await sharp(raw, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 80, optimiseCoding: false })
      .toBuffer();
    this.data.push(jpeg.toString('base64'));
    this.bytes += jpeg.byteLength;
    this.#sheet = undefined;
    this.#used = 0;
  }
}
