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

/** One to four of: a byte changed, a bit turned, a stretch removed, doubled, zeroed or swapped in. */
export function mutate(good: Buffer, random: () => number): Buffer {
  let bytes = Buffer.from(good);
  const below = (n: number) => Math.floor(random() * n);
  for (let times = 1 + below(4); times > 0; times--) {
    const at = below(bytes.length);
    const end = Math.min(bytes.length, at + 1 + below(16));
    switch (below(6)) {
      case 0:
        bytes[at] = below(256);
        break;
      case 1:
        bytes[at]! ^= 1 << below(8);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
        break;
      case 4:
        bytes.fill(0, at, end);
        break;
      default:
        bytes.copyWithin(at, below(bytes.length), below(bytes.length) + 8);
    }
  }
  return bytes;
}

/** JSON that mostly still parses: one to three digits, letters or marks become others of their kind. */
export function mutateText(good: Buffer, random: () => number): Buffer {
  const bytes = Buffer.from(good);
  const below = (n: number) => Math.floor(random() * n);
  for (let times = 1 + below(3); times > 0; times--) {
    const at = below(bytes.length);
    const kind = [/[0-9]/, /[a-z]/i, /[,:[\]{}"]/].find((one) =>
      one.test(String.fromCharCode(bytes[at]!)),
    );
    if (kind === undefined) bytes[at] = 0x20 + below(95);
    else {
      const others = Array.from({ length: 95 }, (_, i) => 0x20 + i).filter((code) =>
        kind.test(String.fromCharCode(code)),
      );
      bytes[at] = others[below(others.length)]!;
    }
  }
  return bytes;
}
