import { expect, test } from 'vitest';
import { RowQueue } from '../../src/worker/row-queue.ts';

test('rows leave in their order, each once, whatever order they are settled in', () => {
  const rows = new RowQueue();
  for (const name of ['a', 'b', 'c', 'd']) rows.add(`${name}.jpg`, name);
  rows.reject(2, 'corrupt', 'no image');
  rows.accept(1, [Float32Array.of(1)]);
  expect(rows.take(10)).toEqual([]);
  rows.accept(0, [Float32Array.of(0)]);
  expect(rows.take(2).map(({ origin }) => origin)).toEqual(['a.jpg', 'b.jpg']);
  expect(rows.take(2)).toEqual([
    { origin: 'c.jpg', target: 'c', vectors: undefined, reason: 'corrupt', message: 'no image' },
  ]);
  rows.accept(3, [Float32Array.of(3)]);
  expect(rows.take(2).map(({ vectors }) => vectors)).toEqual([[Float32Array.of(3)]]);
  expect([rows.received, rows.rejected]).toEqual([4, 1]);
});

test('a second answer to a row, or one to a row that is not there, is refused', () => {
  const rows = new RowQueue();
  rows.add('a.jpg', 'a');
  rows.reject(0, 'corrupt', '');
  const slipped = 'Expected one answer for row 0 but found another; rows would be mixed up.';
  expect(() => rows.accept(0, [])).toThrow(slipped);
  rows.take(1);
  expect(() => rows.accept(0, [])).toThrow(slipped);
  expect(() => rows.accept(1, [])).toThrow(/row 1/);
});

test('positions hold over a stream of any length', () => {
  const rows = new RowQueue();
  const left: string[] = [];
  for (let i = 0; i < 20_000; i++) {
    const position = rows.add(String(i), '');
    if (position % 3 === 0) continue;
    // Each third row is settled late and holds the others back until then.
    if (position % 3 === 2) rows.accept(position - 2, []);
    rows.accept(position, []);
    left.push(...rows.take(7).map(({ origin }) => origin));
  }
  left.push(...rows.take(20_000).map(({ origin }) => origin));
  expect(left).toEqual(Array.from({ length: 19_998 }, (_, i) => String(i)));
  expect(rows.received).toBe(20_000);
});
