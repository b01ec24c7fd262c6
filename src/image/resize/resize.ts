import type { ResizeFilter } from '../decoded-chunk.ts';
import { convolveColumns, convolveRows } from './resize-kernels.ts';
import { encodeTable, SimdResize, type SimdTable } from './resize-simd.ts';
import { computeTaps, type ResizeTaps } from './resize-taps.ts';

/** Tables kept per resizer; folders of photographs come in few sizes, hostile ones in many. */
const MAX_CACHED_TABLES = 64;

/** An image taller than so many times its width is resized columns first, as Pillow (since 12.2) does. */
const TALL = 100;

/**
 * Pillow's `Image.resize` for RGB images, bit for bit, to one fixed output size: that of releases 12.2
 * and 12.3. 9.5 to 12.1 differ for very tall images only (TALL); 13 changes the order of its passes for ordinary
 * portrait images, too, which changes the pixels that today's models were trained on.
 *
 * A resizer owns scratch memory and cached tables, so a stream of images allocates nothing;
 * it is not to be shared between threads.
 *
 * @example
 * const resizer = new Resizer(224, 224, 'bicubic');
 * resizer.resize(rgb, width, height, batch, row * 224 * 224 * 3);
 */
export class Resizer {
  /** Bytes written by one call: `width * height * 3`. */
  readonly outputBytes: number;
  readonly #width: number;
  readonly #height: number;
  readonly #filter: ResizeFilter;
  readonly #taps = new Map<string, ResizeTaps>();
  readonly #tables = new Map<string, SimdTable>();
  readonly #nearest = new Map<string, Int32Array>();
  readonly #simd = SimdResize.create();
  #scratch = new Uint8Array(0);

  constructor(width: number, height: number, filter: ResizeFilter) {
    this.#width = width;
    this.#height = height;
    this.#filter = filter;
    this.outputBytes = width * height * 3;
  }

  /**
   * Resizes one image into `out` at byte `offset`.
   *
   * @param source uint8 [height, width, 3]
   * @param out receives uint8 [outHeight, outWidth, 3]
   */
  resize(source: Uint8Array, width: number, height: number, out: Uint8Array, offset: number): void {
    const outWidth = this.#width;
    const outHeight = this.#height;
    if (width === outWidth && height === outHeight) {
      out.set(source.subarray(0, this.outputBytes), offset);
      return;
    }
    const filter = this.#filter;
    if (filter === 'nearest') {
      this.#pick(source, width, height, out, offset);
      return;
    }
    // As Pillow: rows first (but for tall images), rounded to 8 bits in between; a pass that would not change the size is
    // skipped.
    if (height === outHeight) {
      const taps = this.#tapsFor(width, outWidth, filter);
      convolveRows(source, width, height, taps, out, offset, outWidth);
    } else if (width === outWidth) {
      const taps = this.#tapsFor(height, outHeight, filter);
      convolveColumns(source, outWidth * 3, taps, out, offset, outHeight);
    } else if (height > TALL * width && height > outHeight) {
      const columns = this.#scratchOf(width * 3 * outHeight);
      const taps = this.#tapsFor(height, outHeight, filter);
      convolveColumns(source, width * 3, taps, columns, 0, outHeight);
      const rowTaps = this.#tapsFor(width, outWidth, filter);
      convolveRows(columns, width, outHeight, rowTaps, out, offset, outWidth);
    } else if (!this.#resizeFast(source, width, height, filter, out, offset)) {
      const rows = this.#scratchOf(outWidth * height * 3);
      convolveRows(
        source,
        width,
        height,
        this.#tapsFor(width, outWidth, filter),
        rows,
        0,
        outWidth,
      );
      const taps = this.#tapsFor(height, outHeight, filter);
      convolveColumns(rows, outWidth * 3, taps, out, offset, outHeight);
    }
  }

  /** @returns false where it is not available. */
  #resizeFast(
    source: Uint8Array,
    width: number,
    height: number,
    filter: Exclude<ResizeFilter, 'nearest'>,
    out: Uint8Array,
    offset: number,
  ): boolean {
    if (this.#simd === undefined) return false;
    const { rows, columns } = this.#tablesFor(width, height, filter);
    return this.#simd.resize(source, width, height, rows, columns, out, offset);
  }

  /** The tables of both passes for images of one size; not for nearest. */
  tablesFor(width: number, height: number): { rows: SimdTable; columns: SimdTable } {
    return this.#tablesFor(width, height, this.#filter as Exclude<ResizeFilter, 'nearest'>);
  }

  #tablesFor(width: number, height: number, filter: Exclude<ResizeFilter, 'nearest'>) {
    const outWidth = this.#width;
    const rows = cached(this.#tables, `rows ${width}`, () =>
      encodeTable(this.#tapsFor(width, outWidth, filter), 'rows', outWidth),
    );
    const columns = cached(this.#tables, `columns ${height}`, () =>
      encodeTable(this.#tapsFor(height, this.#height, filter), 'columns', outWidth),
    );
    return { rows, columns };
  }

  #pick(source: Uint8Array, width: number, height: number, out: Uint8Array, offset: number): void {
    const columns = cached(this.#nearest, `${width}>${this.#width}`, () =>
      nearestPositions(width, this.#width),
    );
    const rows = cached(this.#nearest, `${height}>${this.#height}`, () =>
      nearestPositions(height, this.#height),
    );
    let o = offset;
    for (let y = 0; y < rows.length; y++) {
      const row = rows[y] * width;
      for (let x = 0; x < columns.length; x++, o += 3) {
        const i = (row + columns[x]) * 3;
        out[o] = source[i];
        out[o + 1] = source[i + 1];
        out[o + 2] = source[i + 2];
      }
    }
  }

  #tapsFor(inSize: number, outSize: number, filter: Exclude<ResizeFilter, 'nearest'>): ResizeTaps {
    return cached(this.#taps, `${inSize}>${outSize}`, () => computeTaps(inSize, outSize, filter));
  }

  #scratchOf(bytes: number): Uint8Array {
    if (this.#scratch.length < bytes) this.#scratch = new Uint8Array(bytes);
    return this.#scratch;
  }
}

/**
 * Pillow's nearest is not the convolution but `ImagingScaleAffine`: positions are sums of float64
 * steps (not products), truncated.
 */
function nearestPositions(inSize: number, outSize: number): Int32Array {
  const positions = new Int32Array(outSize);
  const step = inSize / outSize;
  let position = step * 0.5;
  for (let i = 0; i < outSize; i++) {
    // Rounding in the sum cannot reach inSize: half a step is left at the end.
    positions[i] = Math.trunc(position);
    position += step;
  }
  return positions;
}

/** A map that drops its oldest entry: bounded, for any number of sizes in a folder. */
function cached<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  if (map.size >= MAX_CACHED_TABLES) map.delete(map.keys().next().value as string);
  const made = make();
  map.set(key, made);
  return made;
}
