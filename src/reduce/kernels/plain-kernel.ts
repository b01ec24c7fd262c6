import { TILE, type TileKernel } from './tile-kernel.ts';

/** The kernel in plain JavaScript: what the fast ones must equal. */
export function createPlainKernel(memory: Float64Array): TileKernel {
  return {
    memory,
    multiply(a, aStep, b, bStep, bGroupStep, groups, depth, c, cStep) {
      for (let g = 0; g < groups; g++) {
        // Two columns at a time: eight sums and their operands fit the 16 registers of x86-64.
        multiplyHalf(memory, a, aStep, b, bStep, depth, c, cStep);
        multiplyHalf(memory, a, aStep, b + 2, bStep, depth, c + 2, cStep);
        b += bGroupStep;
        c += TILE;
      }
    },
  };
}

function multiplyHalf(
  memory: Float64Array,
  a: number,
  aStep: number,
  b: number,
  bStep: number,
  depth: number,
  c: number,
  cStep: number,
): void {
  let s00 = 0;
  let s01 = 0;
  let s10 = 0;
  let s11 = 0;
  let s20 = 0;
  let s21 = 0;
  let s30 = 0;
  let s31 = 0;
  for (let p = 0; p < depth; p++) {
    const b0 = memory[b]!;
    const b1 = memory[b + 1]!;
    const a0 = memory[a]!;
    const a1 = memory[a + 1]!;
    const a2 = memory[a + 2]!;
    const a3 = memory[a + 3]!;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s30 += a3 * b0;
    s31 += a3 * b1;
    a += aStep;
    b += bStep;
  }
  memory[c]! += s00;
  memory[c + 1]! += s01;
  memory[c + cStep]! += s10;
  memory[c + cStep + 1]! += s11;
  memory[c + 2 * cStep]! += s20;
  memory[c + 2 * cStep + 1]! += s21;
  memory[c + 3 * cStep]! += s30;
  memory[c + 3 * cStep + 1]! += s31;
}
