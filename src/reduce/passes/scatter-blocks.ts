import { createPack } from '../kernels/create-kernel.ts';
import type { Pack } from '../kernels/tile-kernel.ts';
import { TILE, type TileKernel } from '../kernels/tile-kernel.ts';
import { blockOf, type PassShare, STRIP, STRIP_ROWS, stripCount } from './pass-share.ts';

const GROUP_DOUBLES = STRIP_ROWS * TILE;

/**
 * Adds X^T X over rows in memory, X = rows less the shift, to the scatter matrix's upper triangle, block by
 * block. Each block's sum depends on the rows and their order only.
 */
export class ScatterBlocks {
  readonly #share: PassShare;
  readonly #kernel: TileKernel;
  readonly #packColumns: Pack;
  /** Where this thread's sums are, in doubles. */
  readonly #sums: number;

  constructor(share: PassShare, kernel: TileKernel, thread: number) {
    this.#share = share;
    this.#kernel = kernel;
    this.#packColumns = createPack(share.memory);
    this.#sums = blockOf(share, thread) / 8;
  }

  /** Copies a strip of `count` rows from `firstRow` on into the panels. */
  pack(strip: number, firstRow: number, count: number): void {
    const { quads, rows, shift } = this.#share;
    const column = strip * STRIP;
    for (let done = 0; done < count; done += STRIP_ROWS) {
      const at = rows / 4 + (firstRow + done) * quads * 4 + column;
      const taken = Math.min(STRIP_ROWS, count - done);
      const to = this.#panelAt(done, column);
      this.#packColumns(
        at,
        quads * 4,
        taken,
        shift / 8 + column,
        this.#groupsOf(column),
        to,
        GROUP_DOUBLES,
      );
    }
  }

  /** @param count rows in the panels. */
  add(block: number, count: number): void {
    const [top, left] = cornerOf(block, this.#share.quads);
    this.#kernel.memory.fill(0, this.#sums, this.#sums + STRIP * STRIP);
    for (let done = 0; done < count; done += STRIP_ROWS) {
      this.#addPanel(top, left, done, Math.min(STRIP_ROWS, count - done));
    }
    this.#addToMatrix(top, left);
  }

  #addPanel(top: number, left: number, first: number, count: number): void {
    const kernel = this.#kernel;
    const sums = this.#sums;
    const [a, b] = [this.#panelAt(first, top), this.#panelAt(first, left)];
    const [tall, wide] = [this.#groupsOf(top), this.#groupsOf(left)];
    for (let i = 0; i < tall; i++) {
      // On the diagonal, tiles below it mirror those above.
      const j = top === left ? i : 0;
      const c = sums + (i * STRIP + j) * TILE;
      const [from, to] = [a + i * GROUP_DOUBLES, b + j * GROUP_DOUBLES];
      kernel.multiply(from, TILE, to, TILE, GROUP_DOUBLES, wide - j, count, c, STRIP);
    }
  }

  /** Where the panel of a row has a column, in doubles. */
  #panelAt(row: number, column: number): number {
    const { panels, quads } = this.#share;
    return (
      panels / 8 + (row / STRIP_ROWS) * quads * GROUP_DOUBLES + (column / TILE) * GROUP_DOUBLES
    );
  }

  /** Groups of four columns in the strip that begins there. */
  #groupsOf(column: number): number {
    return Math.min(STRIP, 4 * this.#share.quads - column) / TILE;
  }

  /** Last: a task that failed before here has not changed the matrix. */
  #addToMatrix(top: number, left: number): void {
    const { memory } = this.#kernel;
    const padded = 4 * this.#share.quads;
    const matrix = this.#share.matrix / 8;
    const bottom = Math.min(padded, top + STRIP);
    const right = Math.min(padded, left + STRIP);
    for (let i = top; i < bottom; i++) {
      const row = this.#sums + (i - top) * STRIP - left;
      for (let j = Math.max(i, left); j < right; j++) {
        memory[matrix + i * padded + j] += memory[row + j];
      }
    }
  }
}

/** First row and first column of a block, counted along the strips above the diagonal. */
function cornerOf(block: number, quads: number): readonly [number, number] {
  const strips = stripCount(quads);
  let top = 0;
  let rest = block;
  for (; rest >= strips - top; top++) rest -= strips - top;
  return [top * STRIP, (top + rest) * STRIP];
}
