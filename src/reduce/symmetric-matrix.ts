import { loadFour, TILE, type TileKernel } from './kernels.ts';

/** Rows of the matrix that are walked at a time: so many streams come from memory at once. */
const WALK_ROWS = 16;
/** Edge of the squares in which the triangles are copied: 8 KB. */
const SQUARE = 32;

/** A whole symmetric matrix, float64 [padded, padded] at `start` of a kernel's memory, zero beyond `dims`. */
export interface SymmetricMatrix {
  readonly kernel: TileKernel;
  readonly start: number;
  readonly dims: number;
  /** A multiple of 4. */
  readonly padded: number;
}

/** Doubles that four vectors take, and so do their images. */
export function fourVectors(padded: number): number {
  return TILE * padded;
}

/**
 * The matrix times vectors.
 * @param room where in the kernel's memory twice `fourVectors` are free; they are overwritten.
 * @param block [b, dims], one vector a row.
 * @returns [b, dims]
 */
export function multiplySymmetric(
  matrix: SymmetricMatrix,
  room: number,
  block: Float64Array,
  b: number,
): Float64Array {
  const { padded } = matrix;
  const out = new Float64Array(block.length);
  const images = room + fourVectors(padded);
  for (let first = 0; first < b; first += TILE) {
    loadVectors(matrix, room, block, first);
    makeImages(matrix, room, images, 0, padded);
    storeFour(matrix, images, out, first);
  }
  return out;
}

/** Copies up to four vectors of a block as [padded][4]. */
export function loadVectors(
  { kernel: { memory }, dims, padded }: SymmetricMatrix,
  at: number,
  block: Float64Array,
  first: number,
): void {
  loadFour(memory, at, block, dims, first);
  memory.fill(0, at + dims * TILE, at + padded * TILE);
}

/** images [4][padded] = vectors [padded][4] times the matrix, in the columns from `from` to before `end`. */
export function makeImages(
  { kernel, start, padded }: SymmetricMatrix,
  vectors: number,
  images: number,
  from: number,
  end: number,
): void {
  for (let v = 0; v < TILE; v++) {
    kernel.memory.fill(0, images + v * padded + from, images + v * padded + end);
  }
  for (let p = 0; p < padded; p += WALK_ROWS) {
    const depth = Math.min(WALK_ROWS, padded - p);
    const [a, b, c] = [vectors + p * TILE, start + p * padded + from, images + from];
    kernel.multiply(a, TILE, b, padded, TILE, (end - from) / TILE, depth, c, padded);
  }
}

/** Copies up to four images into a block [b, dims]. */
export function storeFour(
  { kernel, dims, padded }: SymmetricMatrix,
  images: number,
  block: Float64Array,
  first: number,
): void {
  for (let v = 0; v < TILE && (first + v) * dims < block.length; v++) {
    const at = images + v * padded;
    block.set(kernel.memory.subarray(at, at + dims), (first + v) * dims);
  }
}

/** Copies the upper triangle into the lower one, a cached square at a time. */
export function mirrorUpper({ kernel, start, padded }: SymmetricMatrix): void {
  const { memory } = kernel;
  for (let top = 0; top < padded; top += SQUARE) {
    for (let left = top; left < padded; left += SQUARE) {
      const right = Math.min(padded, left + SQUARE);
      for (let i = top; i < Math.min(padded, top + SQUARE); i++) {
        for (let j = Math.max(left, i + 1); j < right; j++) {
          memory[start + j * padded + i] = memory[start + i * padded + j];
        }
      }
    }
  }
}
