import { startWasm } from '../../runtime/wasm-module.ts';
import type { ResizeTaps } from './resize-taps.ts';

// The form of the tables, as native/wasm/resize.ts reads it.
/** Weights are cut in two int16: the bits above and the unsigned ones below. */
const LOW_BITS = 12;
/** Taps of a step of the horizontal pass, and bytes of its table: two pairs, each cut in two. */
const ROW_STEP_TAPS = 4;
const ROW_STEP_BYTES = 16;
/** The same of the vertical pass: one pair. */
const COLUMN_STEP_TAPS = 2;
const COLUMN_STEP_BYTES = 8;
/** Before the steps of each output position: where its window starts, in bytes, and how many steps follow. */
const HEAD_BYTES = 8;

/** Source rows that are worked on at a time, at least one; a larger row is left to the plain code. */
const STRIP_BYTES = 1 << 20;
/** Larger images between the passes are left to the plain code: memory here never shrinks. */
const MOST_BETWEEN_BYTES = 8 << 20;
/** What the code may read or write beyond the end of an image, without a row. */
const SLACK = 64;
const PAGE_BYTES = 65536;

/** A pass's table in the form that the code walks through. */
export interface SimdTable {
  readonly bytes: Uint8Array;
  /** Output positions. */
  readonly size: number;
}

/** @param outWidth pixels of a row between the passes */
export function encodeTable(
  taps: ResizeTaps,
  pass: 'rows' | 'columns',
  outWidth: number,
): SimdTable {
  // Bytes from one input position to the next: a pixel in a row, a row in a column.
  const unit = pass === 'rows' ? 3 : betweenRowBytes(outWidth);
  const { starts, counts, weights, width } = taps;
  const [stepTaps, stepBytes] =
    pass === 'rows' ? [ROW_STEP_TAPS, ROW_STEP_BYTES] : [COLUMN_STEP_TAPS, COLUMN_STEP_BYTES];
  const steps = counts.map((count) => Math.ceil(count / stepTaps));
  const size = steps.reduce((sum, n) => sum + HEAD_BYTES + n * stepBytes, 0);
  const view = new DataView(new ArrayBuffer(size));
  let at = 0;
  for (let i = 0; i < starts.length; i++) {
    view.setInt32(at, starts[i] * unit, true);
    view.setInt32(at + 4, steps[i], true);
    at += HEAD_BYTES;
    for (let k = 0; k < steps[i] * stepTaps; k++) {
      const weight = k < counts[i] ? weights[i * width + k] : 0;
      // Pairs: the upper parts of both weights, then the lower ones.
      const to = at + (k >> 1) * 8 + (k & 1) * 2;
      view.setInt16(to, weight >> LOW_BITS, true);
      view.setInt16(to + 4, weight & ((1 << LOW_BITS) - 1), true);
    }
    at += steps[i] * stepBytes;
  }
  return { bytes: new Uint8Array(view.buffer), size: starts.length };
}

type Run = (...places: number[]) => void;

/**
 * The two passes in WebAssembly, to the same bits as the plain ones in resize-kernels.ts, with one table
 * each in place. Memory: 1 MB of source rows, the image between the passes, the result.
 */
export class SimdResize {
  readonly #memory = new WebAssembly.Memory({ initial: 1 });
  readonly #passes: { readonly rows: Run; readonly columns: Run };
  #bytes = new Uint8Array(this.#memory.buffer);
  #loadedRows: SimdTable | undefined;
  #loadedColumns: SimdTable | undefined;

  /** @returns undefined where WebAssembly's vectors are not available. */
  static create(): SimdResize | undefined {
    try {
      return new SimdResize();
    } catch {
      return undefined;
    }
  }

  private constructor() {
    this.#passes = startWasm('resize', this.#memory);
  }

  /**
   * uint8 [height, width, 3] -> [columns.size, rows.size, 3] at `out[offset]`.
   * @returns false for an image that is too large for this memory; nothing is done then.
   */
  resize(
    source: Uint8Array,
    width: number,
    height: number,
    rows: SimdTable,
    columns: SimdTable,
    out: Uint8Array,
    offset: number,
  ): boolean {
    const rowBytes = width * 3;
    const outRowBytes = rows.size * 3;
    const betweenRow = betweenRowBytes(rows.size);
    const betweenBytes = betweenRow * height;
    if (rowBytes > STRIP_BYTES || betweenBytes > MOST_BETWEEN_BYTES) return false;
    const outBytes = outRowBytes * columns.size;
    const stripRows = Math.min(height, Math.floor(STRIP_BYTES / rowBytes));
    // rows' table | columns' table | strip | between | result
    const columnsAt = align(rows.bytes.length);
    const stripAt = columnsAt + align(columns.bytes.length);
    // One row more: the partner of an odd last one, and what an odd last tap reads, with weight zero.
    const betweenAt = stripAt + align((stripRows + 1) * rowBytes);
    const resultAt = betweenAt + align(betweenBytes + betweenRow);
    if (!this.#ensure(resultAt + align(outBytes))) return false;
    this.#place(rows, columns, columnsAt);
    for (let first = 0; first < height; first += stripRows) {
      const count = Math.min(stripRows, height - first);
      this.#bytes.set(source.subarray(first * rowBytes, (first + count) * rowBytes), stripAt);
      const to = betweenAt + first * betweenRow;
      this.#passes.rows(stripAt, rowBytes, (count + 1) >> 1, 0, rows.size, to, betweenRow);
    }
    const strips = Math.ceil(outRowBytes / 8);
    this.#passes.columns(
      betweenAt,
      betweenRow,
      columnsAt,
      columns.size,
      strips,
      resultAt,
      outRowBytes,
    );
    out.set(this.#bytes.subarray(resultAt, resultAt + outBytes), offset);
    return true;
  }

  #ensure(bytes: number): boolean {
    const missing = bytes - this.#bytes.length;
    if (missing <= 0) return true;
    try {
      this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    } catch {
      return false;
    }
    this.#bytes = new Uint8Array(this.#memory.buffer);
    return true;
  }

  #place(rows: SimdTable, columns: SimdTable, columnsAt: number): void {
    if (this.#loadedRows === rows && this.#loadedColumns === columns) return;
    this.#bytes.set(rows.bytes, 0);
    this.#bytes.set(columns.bytes, columnsAt);
    this.#loadedRows = rows;
    this.#loadedColumns = columns;
  }
}

/** Between rows there is one byte more, which the code writes beyond each: two are written side by side. */
function betweenRowBytes(outWidth: number): number {
  return outWidth * 3 + 1;
}

function align(bytes: number): number {
  return (bytes + SLACK + 15) & ~15;
}
