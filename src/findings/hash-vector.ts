/** Two 32-bit hashes of a vector's bits: equal vectors have equal ones, others hardly ever. */
export function hashVector(
  words: Uint32Array,
  from: number,
  to: number,
  out: Uint32Array,
  at: number,
): void {
  let a = 0x9e3779b9;
  let b = 0x85ebca6b;
  for (let i = from; i < to; i++) {
    const word = words[i]!;
    a = Math.imul(a ^ word, 0x01000193);
    a ^= a >>> 15;
    b = Math.imul((b << 13) | (b >>> 19), 5) + Math.imul(word, 0xcc9e2d51);
    b ^= b >>> 11;
  }
  out[at] = a;
  out[at + 1] = b;
}
