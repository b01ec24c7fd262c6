/**
 * The one product under everything in this room, in float64, on one flat memory. Offsets and steps
 * count doubles.
 *
 * `multiply` adds to `groups` tiles of 4 x 4 that are side by side in C:
 *   C[r][4 g + s] += sum over p < depth of A[p][r] * B[g][p][s]
 * with A[p] at `a + p * aStep`, B[g][p] at `b + g * bGroupStep + p * bStep` (4 doubles each) and
 * C[r] at `c + r * cStep`. Each sum starts at zero, runs in the order of p and is added to C once,
 * every product and sum rounded to float64: so each implementation gives the same bits.
 */
export interface TileKernel {
  readonly memory: Float64Array;
  multiply(
    a: number,
    aStep: number,
    b: number,
    bStep: number,
    bGroupStep: number,
    groups: number,
    depth: number,
    c: number,
    cStep: number,
  ): void;
}

/** Edge of a tile; operands are padded with zeros to a multiple of it. */
export const TILE = 4;

export function padToTile(size: number): number {
  return Math.ceil(size / TILE) * TILE;
}

/**
 * Copies columns of float32 rows into the layout of a TileKernel: to[group][row][4] = rows[row][4 group ...] - shift, in float64. Places
 * and steps count floats for the rows, doubles for the rest.
 */
export type Pack = (
  rows: number,
  rowStep: number,
  count: number,
  shift: number,
  groups: number,
  to: number,
  groupStep: number,
) => void;
