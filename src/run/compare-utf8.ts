/**
 * Orders strings by their UTF-8 bytes, without encoding them. UTF-16 order is the same but for
 * characters beyond U+FFFF: their surrogates (D800–DFFF) sort before U+E000–U+FFFF, their bytes after.
 */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Moves surrogates behind the rest of the basic plane. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

interface Named {
  readonly origin: string;
}

/** Two lists sorted by origin as one: each origin once, with what either has of it. */
export function* pairByOrigin<A extends Named, B extends Named>(
  left: Iterable<A>,
  right: Iterable<B>,
): Generator<readonly [A, B] | readonly [A, undefined] | readonly [undefined, B]> {
  const [a, b] = [left[Symbol.iterator](), right[Symbol.iterator]()];
  let x = a.next();
  let y = b.next();
  while (!x.done && !y.done) {
    const order = compareUtf8(x.value.origin, y.value.origin);
    if (order === 0) yield [x.value, y.value];
    else yield order < 0 ? [x.value, undefined] : [undefined, y.value];
    if (order <= 0) x = a.next();
    if (order >= 0) y = b.next();
  }
  for (; !x.done; x = a.next()) yield [x.value, undefined];
  for (; !y.done; y = b.next()) yield [undefined, y.value];
}
