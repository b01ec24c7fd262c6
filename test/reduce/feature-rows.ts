import { expect } from 'vitest';
import type { FeatureBlocks } from '../../src/reduce/passes/row-passes.ts';
import type { Reducer } from '../../src/reduce/reducer.ts';
import { ReducerFitter, type ReducerOptions } from '../../src/reduce/reducer-fitter.ts';

/** Seeded values in [-1, 1), float32 [n, d]: the same on every machine (mulberry32). */
export function randomRows(n: number, d: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: n * d }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  });
}

/** Rows held in memory, handed out some at a time. */
export function blocksOf(values: Float32Array, dims: number, step = 100): FeatureBlocks {
  const count = values.length / dims;
  return {
    dims,
    count,
    async *blocks() {
      for (let at = 0; at < count; at += step) {
        const n = Math.min(step, count - at);
        yield { values: values.subarray(at * dims, (at + n) * dims), n };
      }
    },
  };
}

export async function fitRows(
  values: Float32Array,
  dims: number,
  options: ReducerOptions,
): Promise<Reducer> {
  const blocks = blocksOf(values, dims);
  const fitter = new ReducerFitter(dims, options);
  for await (const block of blocks.blocks()) await fitter.add(block);
  return fitter.finish(blocks);
}

/** Largest difference between two arrays of one length. */
export function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let most = 0;
  for (let i = 0; i < actual.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (Number.isNaN(difference)) return difference;
    most = Math.max(most, difference);
  }
  return most;
}
