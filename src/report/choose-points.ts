/**
 * The rows that the page shows: all, or `most` of them: those of the findings, then evenly through the table.
 * @returns ascending
 */
export function choosePoints(count: number, first: readonly number[], most: number): Uint32Array {
  if (count <= most) return Uint32Array.from({ length: count }, (_, i) => i);
  const chosen = new Uint8Array(count);
  let left = most;
  const take = (row: number): void => {
    if (left === 0 || chosen[row] === 1) return;
    chosen[row] = 1;
    left--;
  };
  for (const row of first) take(row);
  const step = count / Math.max(1, left);
  for (let x = 0; x < count; x += step) take(Math.floor(x));
  for (let row = 0; row < count && left > 0; row++) take(row);
  return Uint32Array.from({ length: count }, (_, i) => i).filter((row) => chosen[row] === 1);
}

/**
 * Rows in the order in which they get a picture: those of the findings, then one of each class in turn, so
 * that any beginning of the list is spread over the classes.
 */
export function* pictureOrder(
  rows: Uint32Array,
  targets: Uint32Array,
  classes: number,
  first: readonly number[],
): Generator<number> {
  const given = new Set<number>();
  for (const row of first) {
    if (given.has(row)) continue;
    given.add(row);
    yield row;
  }
  const members: number[][] = Array.from({ length: classes }, () => []);
  for (const row of rows) if (!given.has(row)) members[targets[row]].push(row);
  // The bits of the turn in reverse order: early pictures of a class are far apart in it.
  const orders = members.filter((of) => of.length > 0).map(spread);
  for (let turn = 0; orders.some((of) => turn < of.length); turn++) {
    for (const of of orders) if (turn < of.length) yield of[turn];
  }
}

function spread(rows: readonly number[]): number[] {
  const bits = Math.ceil(Math.log2(rows.length));
  const order: number[] = [];
  for (let i = 0; i < 1 << bits; i++) {
    let reversed = 0;
    for (let bit = 0; bit < bits; bit++) reversed |= ((i >> bit) & 1) << (bits - 1 - bit);
    if (reversed < rows.length) order.push(rows[reversed]);
  }
  return order;
}
