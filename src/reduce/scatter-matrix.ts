import { createKernel } from './kernels/create-kernel.ts';
import { padToTile, TILE, type TileKernel } from './kernels/tile-kernel.ts';
import {
  fourVectors,
  mirrorUpper,
  multiplySymmetric,
  type SymmetricMatrix,
} from './symmetric-product.ts';

/** Tiles of one strip: their columns of a panel (260 KB) stay in a second-level cache. */
const STRIP_TILES = 32;

/**
 * A symmetric sum of outer products, float64 [dims, dims], and the panel of rows that is added to it
 * next. Both are in the kernel's memory: the panel at 0 as [padded / 4][panelRows][4], then the
 * matrix as [padded, padded], of which the tiles on and above the diagonal are kept up to date.
 */
export class ScatterMatrix implements SymmetricMatrix {
  readonly dims: number;
  /** The kernel's memory: the panel's part is free for the caller to fill. */
  readonly memory: Float64Array;
  readonly kernel: TileKernel;
  readonly #panelRows: number;
  readonly padded: number;
  readonly start: number;
  #isMirrored = true;

  /** @param panelRows at least 8. */
  constructor(dims: number, panelRows: number) {
    this.dims = dims;
    this.#panelRows = panelRows;
    this.padded = padToTile(dims);
    this.start = this.padded * panelRows;
    this.kernel = createKernel(this.start + this.padded * this.padded);
    this.memory = this.kernel.memory;
  }

  /** Where the panel holds a column's value in its first row; those of the next rows follow 4 apart. */
  panelAt(column: number): number {
    return (column >> 2) * this.#panelRows * TILE + (column & 3);
  }

  /** Adds the outer products of the panel's first rows. */
  addPanel(rows: number): void {
    const { kernel, padded } = this;
    this.#isMirrored = false;
    const tiles = padded / TILE;
    const groupStep = this.#panelRows * TILE;
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
    this.#isMirrored = false;
    const row = this.start + i * this.padded;
    return this.memory.subarray(row + i, row + this.dims);
  }

  /** [dims, dims] */
  toArray(): Float64Array {
    this.#mirror();
    const { dims, padded, start } = this;
    const out = new Float64Array(dims * dims);
    for (let i = 0; i < dims; i++) {
      const row = start + i * padded;
      out.set(this.memory.subarray(row, row + dims), i * dims);
    }
    return out;
  }

  /**
   * The matrix times vectors. Overwrites the panel.
   * @param block [b, dims], one vector a row.
   * @returns [b, dims]
   */
  apply(block: Float64Array, b: number): Float64Array {
    this.#mirror();
    const out = multiplySymmetric(this, 0, block, b);
    this.memory.fill(0, 0, 2 * fourVectors(this.padded));
    return out;
  }

  #mirror(): void {
    if (!this.#isMirrored) mirrorUpper(this);
    this.#isMirrored = true;
  }
}
