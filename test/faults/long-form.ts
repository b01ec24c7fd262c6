/** `npm run test:faults` runs the long form of these tests; `npm run test:all` a bounded one. */
export const isLong = process.env.IMG2FEATURES_FAULTS === 'long';

/** Numbers in [0, 1) that follow from the seed alone. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
