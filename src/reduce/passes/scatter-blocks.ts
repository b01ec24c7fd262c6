import { createPack, type Pack } from '../kernels/panel-kernel.ts';
import { TILE, type TileKernel } from '../kernels/tile-kernel.ts';
import { type PassShare, panelsOf, STRIP, STRIP_ROWS } from './pass-share.ts';

/**
 * Adds X^T X over the rows in memory, X = rows less the shift, to the scatter matrix's upper triangle, block by
 * block. Each block's sum depends on the rows and their order only.
 */
export class ScatterBlocks {
  private readonly share: PassShare;
  private readonly kernel: TileKernel;
  private readonly pack: Pack;
  /** Doubles: two panels, then a block. */
  private readonly panels: readonly [number, number];
  private readonly sums: number;

  constructor(share: PassShare, kernel: TileKernel, thread: number) {
    this.share = share;
    this.kernel = kernel;
    this.pack = createPack(share.memory);
    const at = panelsOf(share, thread) / 8;
    this.panels = [at, at + STRIP * STRIP_ROWS];
    this.sums = at + 2 * STRIP * STRIP_ROWS;
  }

  /** @param rows number of rows in memory. */
  add(block: number, rows: number): void {
    const [top, left] = cornerOf(block, 4 * this.share.quads);
    this.kernel.memory.fill(0, this.sums, this.sums + STRIP * STRIP);
    for (let first = 0; first < rows; first += STRIP_ROWS) {
      this.addRows(top, left, first, Math.min(STRIP_ROWS, rows - first));
    }
    this.addToMatrix(top, left);
  }

  private addRows(top: number, left: number, first: number, count: number): void {
    const { kernel, sums, panels } = this;
    const isDiagonal = top === left;
    const [a, other] = panels;
    const b = isDiagonal ? a : other;
    const tall = this.fillPanel(a, top, first, count);
    const wide = isDiagonal ? tall : this.fillPanel(b, left, first, count);
    const groupStep = STRIP_ROWS * TILE;
    for (let i = 0; i < tall; i++) {
      // Tiles below the diagonal come from those above.
      const j = isDiagonal ? i : 0;
      const c = sums + (i * STRIP + j) * TILE;
      const [from, to] = [a + i * groupStep, b + j * groupStep];
      kernel.multiply(from, TILE, to, TILE, groupStep, wide - j, count, c, STRIP);
    }
  }

  /** @returns the groups of four columns that the strip has. */
  private fillPanel(panel: number, column: number, first: number, count: number): number {
    const { quads, rows, shift } = this.share;
    const groups = Math.min(STRIP, 4 * quads - column) / TILE;
    const at = rows / 4 + first * quads * 4 + column;
    this.pack(at, quads * 4, count, shift / 8 + column, groups, panel, STRIP_ROWS * TILE);
    return groups;
  }

  /** Last and in one go: what can fail has not touched the matrix. */
  private addToMatrix(top: number, left: number): void {
    const { memory } = this.kernel;
    const padded = 4 * this.share.quads;
    const matrix = this.share.matrix / 8;
    const bottom = Math.min(padded, top + STRIP);
    const right = Math.min(padded, left + STRIP);
    for (let i = top; i < bottom; i++) {
      const row = this.sums + (i - top) * STRIP - left;
      for (let j = Math.max(i, left); j < right; j++) {
        memory[matrix + i * padded + j]! += memory[row + j]!;
      }
    }
  }
}

/** First row and first column of a block, counted along the strips above the diagonal. */
function cornerOf(block: number, padded: number): readonly [number, number] {
  const strips = Math.ceil(padded / STRIP);
  let top = 0;
  let rest = block;
  for (; rest >= strips - top; top++) rest -= strips - top;
  return [top * STRIP, (top + rest) * STRIP];
}
