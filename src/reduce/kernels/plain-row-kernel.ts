import { LANES, QUAD } from './row-kernel-code.ts';

/** One product over pairs of rows; places and steps in bytes, see row-kernel-code.ts. */
export type RowRun = (
  x: number,
  next: number,
  xStep: number,
  vectors: number,
  shift: number,
  z: number,
  rowPairs: number,
  quads: number,
) => void;

/** `encodeProject` in plain JavaScript: what it must equal, and what runs where there are no vectors. */
export function plainProject(buffer: SharedArrayBuffer): RowRun {
  const doubles = new Float64Array(buffer);
  const floats = new Float32Array(buffer);
  return (x, next, xStep, q, shift, z, rowPairs, quads) => {
    for (let row = 0; row < 2 * rowPairs; row++) {
      const at = ((row % 2 === 0 ? x : next) + (row >> 1) * xStep) / 4;
      for (let v = 0; v < LANES; v++) {
        const sum = z / 8 + row * 8 + v * 2;
        for (let j = 0; j < quads * QUAD; j++) {
          const value = floats[at + j]! - doubles[shift / 8 + j]!;
          doubles[sum + (j & 1)]! += value * doubles[q / 8 + (j >> 1) * 8 + v * 2 + (j & 1)]!;
        }
      }
    }
  };
}

/** `encodeBack` in plain JavaScript. */
export function plainBack(buffer: SharedArrayBuffer): RowRun {
  const doubles = new Float64Array(buffer);
  const floats = new Float32Array(buffer);
  return (x, next, xStep, y, shift, z, rowPairs, quads) => {
    for (let row = 0; row < 2 * rowPairs; row++) {
      const at = ((row % 2 === 0 ? x : next) + (row >> 1) * xStep) / 4;
      for (let v = 0; v < LANES; v++) {
        const sum = z / 8 + row * 8 + v * 2;
        const share = doubles[sum]! + doubles[sum + 1]!;
        for (let j = 0; j < quads * QUAD; j++) {
          const value = floats[at + j]! - doubles[shift / 8 + j]!;
          doubles[y / 8 + (j >> 1) * 8 + v * 2 + (j & 1)]! += value * share;
        }
      }
    }
  };
}
