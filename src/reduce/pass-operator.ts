import { RunError } from '../errors.ts';
import { createKernel } from './create-kernel.ts';
import type { FeatureBlocks } from './feature-blocks.ts';
import { Projector, type Scaling } from './projector.ts';
import { padToTile, TILE, type TileKernel } from './tile-kernel.ts';
import type { SymmetricOperator } from './top-eigenpairs.ts';

/** Rows and values of a row that are copied at a time: 256 KB, which a second-level cache holds. */
const ROWS = 64;
const CHUNK = 512;

/**
 * The covariance of scaled rows as an operator that reads all rows once for each block of vectors:
 *   C Q = X^T (X Q) / (n - 1), X = the rows less their mean, scaled; everything in float64.
 * Memory: 32 dims b bytes instead of 8 dims^2.
 * @throws RunError, from `apply`, when a pass brings another number of rows than `blocks.count`.
 */
export function passOperator(blocks: FeatureBlocks, scaling: Scaling): SymmetricOperator {
  let projector: Projector | undefined;
  let images: BackProjector | undefined;
  return {
    dims: blocks.dims,
    async apply(block, b) {
      // Kept from pass to pass: all but the last ones bring blocks of one width.
      if (projector?.b !== b || images === undefined) {
        projector = new Projector(scaling, b);
        images = new BackProjector(scaling, b);
      }
      projector.load(block);
      images.clear();
      let rows = 0;
      for await (const { values, n } of blocks.blocks()) {
        images.add(values, n, projector.project(values, n));
        rows += n;
      }
      if (rows !== blocks.count) {
        throw new RunError(`Expected ${blocks.count} rows for the PCA but found ${rows} on a pass`);
      }
      return images.finish(1 / (blocks.count - 1));
    },
  };
}

/** Sums X^T Z over blocks of scaled rows X [n, dims] and their projections Z [n, b]. */
class BackProjector {
  private readonly scaling: Scaling;
  private readonly dims: number;
  private readonly b: number;
  private readonly width: number;
  private readonly kernel: TileKernel;
  /** Sums at 0 as [padded, width], projections as [ROWS, width], a piece of the rows as [CHUNK / 4][ROWS][4]. */
  private readonly projectedAt: number;
  private readonly rowsAt: number;

  constructor(scaling: Scaling, b: number) {
    this.scaling = scaling;
    this.dims = scaling.shift.length;
    this.b = b;
    this.width = padToTile(b);
    this.projectedAt = padToTile(this.dims) * this.width;
    this.rowsAt = this.projectedAt + ROWS * this.width;
    this.kernel = createKernel(this.rowsAt + ROWS * CHUNK);
  }

  add(values: Float32Array, n: number, projected: Float64Array): void {
    const { b, width, projectedAt } = this;
    const { memory } = this.kernel;
    for (let first = 0; first < n; first += ROWS) {
      const rows = Math.min(ROWS, n - first);
      for (let i = 0; i < rows; i++) {
        const at = (first + i) * b;
        memory.set(projected.subarray(at, at + b), projectedAt + i * width);
      }
      for (let from = 0; from < this.dims; from += CHUNK) {
        this.addChunk(values, first, rows, from, Math.min(CHUNK, this.dims - from));
      }
    }
  }

  clear(): void {
    this.kernel.memory.fill(0, 0, this.projectedAt);
  }

  /** @returns float64 [b, dims], the sums times `share`. */
  finish(share: number): Float64Array {
    const { dims, b, width } = this;
    const { memory } = this.kernel;
    const out = new Float64Array(b * dims);
    for (let v = 0; v < b; v++) {
      for (let j = 0; j < dims; j++) out[v * dims + j] = memory[j * width + v]! * share;
    }
    return out;
  }

  private addChunk(values: Float32Array, first: number, rows: number, from: number, size: number) {
    const { dims, width, projectedAt, rowsAt, kernel } = this;
    const { memory } = kernel;
    const { shift, scale } = this.scaling;
    for (let j = 0; j < size; j += TILE) {
      const to = rowsAt + j * ROWS;
      // The last tile has fewer columns: what its others hold is added to sums that are never read.
      for (let s = 0; s < Math.min(TILE, size - j); s++) {
        const less = shift[from + j + s]!;
        const factor = scale[from + j + s]!;
        let at = first * dims + from + j + s;
        for (let i = 0; i < rows; i++) {
          memory[to + i * TILE + s] = (values[at]! - less) * factor;
          at += dims;
        }
      }
      const c = (from + j) * width;
      kernel.multiply(to, TILE, projectedAt, width, TILE, width / TILE, rows, c, width);
    }
  }
}
