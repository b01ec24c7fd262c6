/** Rows whose hashes agree, in groups of two and more; rows ascend in a group, groups by their first row. */
export function rowsOfEqualHash(hashes: Uint32Array, count: number): number[][] {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  order.sort(
    (a, b) => hashes[2 * a]! - hashes[2 * b]! || hashes[2 * a + 1]! - hashes[2 * b + 1]! || a - b,
  );
  const groups: number[][] = [];
  for (let start = 0; start < count; ) {
    const first = order[start]!;
    let end = start + 1;
    while (end < count && isEqual(hashes, first, order[end]!)) end++;
    if (end - start > 1) groups.push([...order.subarray(start, end)]);
    start = end;
  }
  return groups.sort((a, b) => a[0]! - b[0]!);
}

function isEqual(hashes: Uint32Array, a: number, b: number): boolean {
  return hashes[2 * a] === hashes[2 * b] && hashes[2 * a + 1] === hashes[2 * b + 1];
}
