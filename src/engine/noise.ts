let kept = new Uint8Array(0);

/**
 * The same bytes each time (a linear congruential generator): zeros could be a special case. They are those of the call
 * before, where it had as many: read them only.
 */
export function noise(length: number): Uint8Array {
  if (kept.length === length) return kept;
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  kept = bytes;
  return bytes;
}
