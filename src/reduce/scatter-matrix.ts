import { createKernel } from './kernels/create-kernel.ts';
import { padToTile, TILE, type TileKernel } from './kernels/tile-kernel.ts';

/** Tiles of one strip: their columns of a panel (260 KB) stay in a second-level cache. */
const STRIP_TILES = 32;
/** Rows of the matrix that `apply` walks through at a time: one page of memory each. */
const WALK_ROWS = 64;
/** Vectors that `apply` takes at a time; they and their images fit the panel's memory. */
const WIDEST_BLOCK = 64;
/** Edge of the squares in which the triangles are copied: 8 KB. */
const SQUARE = 32;

/**
 * A symmetric sum of outer products, float64 [dims, dims], and the panel of rows that is added to it
 * next. Both lie in the kernel's memory: the panel at 0 as [padded / 4][panelRows][4], then the
 * matrix as [padded, padded], of which the tiles on and above the diagonal are kept up to date.
 */
export class ScatterMatrix {
  readonly dims: number;
  /** The kernel's memory: the panel's part is free for the caller to fill. */
  readonly memory: Float64Array;
  private readonly kernel: TileKernel;
  private readonly panelRows: number;
  private readonly padded: number;
  private readonly start: number;
  private isMirrored = true;

  /** @param panelRows at least 128. */
  constructor(dims: number, panelRows: number) {
    this.dims = dims;
    this.panelRows = panelRows;
    this.padded = padToTile(dims);
    this.start = this.padded * panelRows;
    this.kernel = createKernel(this.start + this.padded * this.padded);
    this.memory = this.kernel.memory;
  }

  /** Where the panel holds a column's value in its first row; those of the next rows follow 4 apart. */
  panelAt(column: number): number {
    return (column >> 2) * this.panelRows * TILE + (column & 3);
  }

  /** Adds the outer products of the panel's first rows. */
  addPanel(rows: number): void {
    const { kernel, padded } = this;
    this.isMirrored = false;
    const tiles = padded / TILE;
    const groupStep = this.panelRows * TILE;
    for (let strip = 0; strip < tiles; strip += STRIP_TILES) {
      const end = Math.min(tiles, strip + STRIP_TILES);
      for (let i = 0; i < end; i++) {
        const j = Math.max(i, strip);
        const c = this.start + (i * padded + j) * TILE;
        kernel.multiply(
          i * groupStep,
          TILE,
          j * groupStep,
          TILE,
          groupStep,
          end - j,
          rows,
          c,
          padded,
        );
      }
    }
  }

  /** One row from the diagonal on, [dims - i]; a view, and what is written to it counts. */
  upperRow(i: number): Float64Array {
    this.isMirrored = false;
    const row = this.start + i * this.padded;
    return this.memory.subarray(row + i, row + this.dims);
  }

  /** [dims, dims] */
  toArray(): Float64Array {
    this.mirror();
    const { dims, padded, start } = this;
    const out = new Float64Array(dims * dims);
    for (let i = 0; i < dims; i++) {
      const row = start + i * padded;
      out.set(this.memory.subarray(row, row + dims), i * dims);
    }
    return out;
  }

  /**
   * The matrix times vectors. Spoils the panel.
   * @param block [b, dims], one vector a row.
   * @returns [b, dims]
   */
  apply(block: Float64Array, b: number): Float64Array {
    this.mirror();
    const out = new Float64Array(b * this.dims);
    for (let first = 0; first < b; first += WIDEST_BLOCK) {
      this.applyNarrow(block, out, first, Math.min(b, first + WIDEST_BLOCK));
    }
    this.memory.fill(0, 0, this.start);
    return out;
  }

  private applyNarrow(block: Float64Array, out: Float64Array, first: number, end: number): void {
    const { dims, padded, start, kernel, memory } = this;
    const width = padToTile(end - first);
    const groupStep = padded * TILE;
    const imageAt = padded * width;
    // Over the panel: vectors as [width / 4][padded][4], then their images as [padded][width].
    memory.fill(0, 0, 2 * imageAt);
    for (let v = first; v < end; v++) {
      const at = ((v - first) >> 2) * groupStep + ((v - first) & 3);
      for (let j = 0; j < dims; j++) memory[at + j * TILE] = block[v * dims + j]!;
    }
    for (let p = 0; p < padded; p += WALK_ROWS) {
      const depth = Math.min(WALK_ROWS, padded - p);
      for (let i = 0; i < padded; i += TILE) {
        const a = start + p * padded + i;
        const c = imageAt + i * width;
        kernel.multiply(a, padded, p * TILE, TILE, groupStep, width / TILE, depth, c, width);
      }
    }
    for (let v = first; v < end; v++) {
      for (let j = 0; j < dims; j++) out[v * dims + j] = memory[imageAt + j * width + v - first]!;
    }
  }

  /** Copies the upper triangle into the lower one, a cached square at a time. */
  private mirror(): void {
    if (this.isMirrored) return;
    const { padded, start, memory } = this;
    for (let top = 0; top < padded; top += SQUARE) {
      for (let left = top; left < padded; left += SQUARE) {
        const right = Math.min(padded, left + SQUARE);
        for (let i = top; i < Math.min(padded, top + SQUARE); i++) {
          for (let j = Math.max(left, i + 1); j < right; j++) {
            memory[start + j * padded + i] = memory[start + i * padded + j]!;
          }
        }
      }
    }
    this.isMirrored = true;
  }
}
