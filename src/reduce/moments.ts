import { RunError } from '../errors.ts';
import { createKernel } from './create-kernel.ts';
import { padToTile, TILE, type TileKernel } from './tile-kernel.ts';

/** Rows gathered before they are folded into the sums; part of the result's definition. */
const PANEL_ROWS = 256;
/** Tiles of one strip: their columns of a panel (260 KB) stay in a second-level cache. */
const STRIP_TILES = 32;
/** Rows of the scatter matrix that `applyScatter` walks through at a time: one page each. */
const WALK_ROWS = 64;
/** Vectors that `applyScatter` takes at a time; they and their images fit the panel's memory. */
const WIDEST_BLOCK = 64;

/**
 * Mean and scatter matrix (the sum of the outer products of the deviations from the mean) of rows
 * that come one block after the other, in float64.
 *
 * Rows are taken relative to the first one and gathered into panels of 256, each centred on its own
 * mean, so nothing cancels however far the mean is from zero; two sets of rows A and B are joined by
 * Chan, Golub and LeVeque's formula:
 *   S = S_A + S_B + (n_A n_B / n) (mean_B - mean_A) (mean_B - mean_A)^T
 * whose last term is one more row of the panel. The result depends on the rows and their order only,
 * not on how they were cut into blocks. Memory: 8 dims^2 + 2056 dims bytes.
 */
export class Moments {
  readonly dims: number;
  private readonly kernel: TileKernel;
  /** The panel lies at 0 as [padded / 4][PANEL_ROWS + 1][4], the scatter matrix here, [padded, padded]. */
  private readonly scatterAt: number;
  private readonly padded: number;
  /** The first row: what all others are taken relative to. */
  private readonly origin: Float64Array;
  /** Means of the rows less the origin. */
  private readonly means: Float64Array;
  /** Rows folded into the sums, without those that wait in the panel. */
  private folded = 0;
  private waiting = 0;
  /** Whether the lower triangle of the scatter matrix repeats the upper one. */
  private isMirrored = true;

  constructor(dims: number) {
    this.dims = dims;
    this.padded = padToTile(dims);
    this.scatterAt = this.padded * (PANEL_ROWS + 1);
    this.kernel = createKernel(this.scatterAt + this.padded * this.padded);
    this.origin = new Float64Array(dims);
    this.means = new Float64Array(dims);
  }

  /** Rows seen so far. */
  get count(): number {
    return this.folded + this.waiting;
  }

  /**
   * Adds n rows.
   * @param values [n, dims] row-major.
   * @throws RunError naming the row (counted from the first ever added) of a value that is not finite;
   *   the rows of this call before it may have been added.
   */
  add(values: Float32Array | Float64Array, n: number): void {
    if (this.count === 0 && n > 0) this.origin.set(values.subarray(0, this.dims));
    let done = 0;
    while (done < n) {
      const rows = Math.min(n - done, PANEL_ROWS - this.waiting);
      if (!Number.isFinite(this.fillPanel(values, done, rows))) {
        throw notFinite(values, this.dims, done, this.count - done);
      }
      done += rows;
      this.waiting += rows;
      if (this.waiting === PANEL_ROWS) this.foldPanel();
    }
  }

  /** Adds the rows that `other` has seen, as if they came after these. `other` folds its panel. */
  merge(other: Moments): void {
    this.foldPanel();
    other.foldPanel();
    if (other.folded === 0) return;
    if (this.folded === 0) this.origin.set(other.origin);
    const { dims, padded, scatterAt, origin, means } = this;
    const memory = this.kernel.memory;
    const theirs = other.kernel.memory;
    const total = this.folded + other.folded;
    const weight = (this.folded / total) * other.folded;
    const deltas = other.means.map((mean, i) => other.origin[i]! - origin[i]! + mean - means[i]!);
    for (let i = 0; i < dims; i++) {
      const scaled = deltas[i]! * weight;
      const row = scatterAt + i * padded;
      for (let j = i; j < dims; j++) memory[row + j]! += theirs[row + j]! + scaled * deltas[j]!;
      means[i]! += deltas[i]! * (other.folded / total);
    }
    this.folded = total;
    this.isMirrored = false;
  }

  /** Mean of each column, [dims]. */
  mean(): Float64Array {
    this.foldPanel();
    return this.means.map((mean, i) => this.origin[i]! + mean);
  }

  /** Sum of the squared deviations of each column from its mean, [dims]; exactly 0 where it is constant. */
  squares(): Float64Array {
    this.foldPanel();
    const { padded, scatterAt } = this;
    return Float64Array.from({ length: this.dims }, (_, i) => {
      return this.kernel.memory[scatterAt + i * padded + i]!;
    });
  }

  /** The scatter matrix, [dims, dims]. */
  scatter(): Float64Array {
    this.mirror();
    const { dims, padded, scatterAt } = this;
    const out = new Float64Array(dims * dims);
    for (let i = 0; i < dims; i++) {
      const row = scatterAt + i * padded;
      out.set(this.kernel.memory.subarray(row, row + dims), i * dims);
    }
    return out;
  }

  /**
   * The scatter matrix times vectors, once all rows have been added.
   * @param block [b, dims], one vector a row.
   * @returns [b, dims]
   */
  applyScatter(block: Float64Array, b: number): Float64Array {
    this.mirror();
    const out = new Float64Array(b * this.dims);
    for (let first = 0; first < b; first += WIDEST_BLOCK) {
      this.applyNarrow(block, out, first, Math.min(b, first + WIDEST_BLOCK));
    }
    return out;
  }

  private applyNarrow(block: Float64Array, out: Float64Array, first: number, end: number): void {
    const { dims, padded, scatterAt, kernel } = this;
    const { memory } = kernel;
    const width = padToTile(end - first);
    const groupStep = padded * TILE;
    const imageAt = padded * width;
    // The panel's memory: vectors as [width / 4][padded][4], then their images as [padded][width].
    memory.fill(0, 0, 2 * imageAt);
    for (let v = first; v < end; v++) {
      const at = ((v - first) >> 2) * groupStep + ((v - first) & 3);
      for (let j = 0; j < dims; j++) memory[at + j * TILE] = block[v * dims + j]!;
    }
    for (let p = 0; p < padded; p += WALK_ROWS) {
      const depth = Math.min(WALK_ROWS, padded - p);
      for (let i = 0; i < padded; i += TILE) {
        const a = scatterAt + p * padded + i;
        const c = imageAt + i * width;
        kernel.multiply(a, padded, p * TILE, TILE, groupStep, width / TILE, depth, c, width);
      }
    }
    for (let v = first; v < end; v++) {
      for (let j = 0; j < dims; j++) out[v * dims + j] = memory[imageAt + j * width + v - first]!;
    }
    memory.fill(0, 0, 2 * imageAt);
  }

  /** Copies rows into the panel. Returns NaN when a value is not finite, else 0. */
  private fillPanel(values: Float32Array | Float64Array, from: number, rows: number): number {
    const { dims, waiting, origin, kernel } = this;
    const { memory } = kernel;
    let check = 0;
    // Column by column of tiles: the rows' cache lines are used up before the next ones come in.
    for (let j = 0; j < dims; j++) {
      const shift = origin[j]!;
      let to = panelAt(j, waiting);
      let at = from * dims + j;
      for (let i = 0; i < rows; i++) {
        const value = values[at]! - shift;
        check += value - value;
        memory[to] = value;
        to += TILE;
        at += dims;
      }
    }
    return check;
  }

  private foldPanel(): void {
    const rows = this.waiting;
    if (rows === 0) return;
    this.centrePanel(rows);
    // With no rows before these, the joining row is zero.
    this.addPanel(this.folded === 0 ? rows : rows + 1);
    this.folded += rows;
    this.waiting = 0;
  }

  /** Turns the panel into deviations from its mean, adds the joining row and moves the means on. */
  private centrePanel(rows: number): void {
    const { dims, means, folded } = this;
    const { memory } = this.kernel;
    const total = folded + rows;
    const weight = Math.sqrt((folded / total) * rows);
    for (let j = 0; j < dims; j++) {
      const start = panelAt(j, 0);
      const end = start + rows * TILE;
      let sum = 0;
      for (let at = start; at < end; at += TILE) sum += memory[at]!;
      const mean = sum / rows;
      for (let at = start; at < end; at += TILE) memory[at]! -= mean;
      const delta = mean - means[j]!;
      memory[end] = weight * delta;
      means[j]! += delta * (rows / total);
    }
  }

  /** Adds the panel's outer products to the scatter matrix's upper triangle of tiles. */
  private addPanel(depth: number): void {
    const { kernel, padded, scatterAt } = this;
    this.isMirrored = false;
    const tiles = padded / TILE;
    const groupStep = (PANEL_ROWS + 1) * TILE;
    for (let strip = 0; strip < tiles; strip += STRIP_TILES) {
      const end = Math.min(tiles, strip + STRIP_TILES);
      for (let i = 0; i < end; i++) {
        const j = Math.max(i, strip);
        const c = scatterAt + (i * padded + j) * TILE;
        const [a, b] = [i * groupStep, j * groupStep];
        kernel.multiply(a, TILE, b, TILE, groupStep, end - j, depth, c, padded);
      }
    }
  }

  /** Folds what waits and copies the upper triangle into the lower one, a cached square at a time. */
  private mirror(): void {
    this.foldPanel();
    if (this.isMirrored) return;
    const { padded, scatterAt } = this;
    const { memory } = this.kernel;
    const edge = 32;
    for (let top = 0; top < padded; top += edge) {
      for (let left = top; left < padded; left += edge) {
        const right = Math.min(padded, left + edge);
        for (let i = top; i < Math.min(padded, top + edge); i++) {
          for (let j = Math.max(left, i + 1); j < right; j++) {
            memory[scatterAt + j * padded + i] = memory[scatterAt + i * padded + j]!;
          }
        }
      }
    }
    this.isMirrored = true;
  }
}

/** Where the panel holds a column's value of a row. */
function panelAt(column: number, row: number): number {
  return ((column >> 2) * (PANEL_ROWS + 1) + row) * TILE + (column & 3);
}

/** The error for the first value of `values` from row `from` on that is NaN or infinite. */
export function notFinite(
  values: Float32Array | Float64Array,
  dims: number,
  from: number,
  offset: number,
): RunError {
  let at = from * dims;
  while (Number.isFinite(values[at]!)) at++;
  const row = offset + Math.floor(at / dims);
  return new RunError(
    `Expected finite features for row ${row} but found ${values[at]} at value ${at % dims}`,
    { fix: 'Look at the image of that row and at the weights: the network overflowed on it.' },
  );
}
