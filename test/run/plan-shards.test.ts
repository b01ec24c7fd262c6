import { expect, test } from 'vitest';
import {
  imagesIn,
  type PlanOptions,
  planOfJob,
  planRun,
  planShards,
  SHARD_ROWS,
} from '../../src/run/plan-shards.ts';

const MIB = 1 << 20;

test('cuts pixels into shards of 4,096 and parts of 8,192', () => {
  const { shards, parts } = planShards({
    count: 30_000,
    rowBytes: 1200,
    maxShardRows: SHARD_ROWS.pixels,
  });
  expect(shards.map(({ start, end }) => end - start)).toEqual([
    4096, 4096, 4096, 4096, 4096, 4096, 4096, 1328,
  ]);
  expect(parts).toEqual([
    { index: 0, firstShard: 0, endShard: 2 },
    { index: 1, firstShard: 2, endShard: 4 },
    { index: 2, firstShard: 4, endShard: 6 },
    { index: 3, firstShard: 6, endShard: 8 },
  ]);
});

test('cuts a network of 25,088 values by the bytes of its rows', () => {
  const { shards, parts } = planShards({
    count: 1000,
    rowBytes: 25_088 * 4,
    maxShardRows: SHARD_ROWS.network,
  });
  expect(shards.map(({ start, end }) => end - start)).toEqual([320, 320, 320, 40]);
  expect(parts.map(({ firstShard, endShard }) => [firstShard, endShard])).toEqual([
    [0, 2],
    [2, 4],
  ]);
});

test('shards of a network grow where one is less than a hundredth of the run, and parts hold the same rows', () => {
  const cut = (count: number, length: number) => {
    const { shards, parts } = planRun(count, { isPixels: false, lengths: [length] });
    return [shards[0]!.end, shards[parts[0]!.endShard - 1]!.end];
  };
  expect(cut(102_399, 4096)).toEqual([512, 4096]);
  expect(cut(102_400, 4096)).toEqual([1024, 4096]);
  expect(cut(102_400, 512)).toEqual([1024, 8192]);
  // Rows of 100 KB: their bytes decide.
  expect(cut(102_400, 25_088)).toEqual([320, 640]);
  const pixels = planRun(102_400, { isPixels: true, lengths: [300] });
  expect(pixels.shards[0]!.end).toBe(4096);
});

test('plans one part without shards for no images', () => {
  expect(planShards({ count: 0, rowBytes: 1200, maxShardRows: 512 })).toEqual({
    count: 0,
    rowBytes: 1200,
    views: 1,
    shards: [],
    parts: [{ index: 0, firstShard: 0, endShard: 0 }],
  });
});

test('makes a shard of one row where a row is larger than a shard', () => {
  const { shards, parts } = planShards({ count: 3, rowBytes: 100 * MIB, maxShardRows: 512 });
  expect(shards.map(({ start, end }) => [start, end])).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
  ]);
  expect(parts).toHaveLength(3);
});

test('covers every position once, within its bounds, for any size', () => {
  const faults: string[] = [];
  for (const count of [0, 1, 63, 64, 65, 511, 512, 513, 4096, 99_999]) {
    for (const rowBytes of [4, 1200, 4000, 16_384, 100_352, 40 * MIB]) {
      for (const maxShardRows of [512, 4096]) {
        for (const views of [1, 3, 8, 1024]) {
          faults.push(...faultsOf({ count, rowBytes, maxShardRows, views }));
        }
      }
    }
  }
  expect(faults).toEqual([]);
});

test('jobs have neighbouring shards of the whole plan, each shard once, the first as many as any', () => {
  for (const shards of [0, 1, 2, 5, 16, 100]) {
    const plan = planShards({ count: 64 * shards, rowBytes: 4, maxShardRows: 64 });
    for (const of of [1, 2, 3, 7, 16, 101]) {
      const parts = Array.from({ length: of }, (_, i) => planOfJob(plan, { index: i + 1, of }));
      expect(parts.flatMap((part) => part.shards)).toEqual(plan.shards);
      const sizes = parts.map((part) => part.shards.length);
      expect(sizes[0]).toBe(Math.ceil(shards / of));
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(Math.floor(shards / of));
      expect(parts.map(imagesIn)).toEqual(sizes.map((size) => 64 * size));
    }
  }
});

function faultsOf(options: PlanOptions): string[] {
  const { count, rowBytes, maxShardRows, views = 1 } = options;
  const { shards, parts } = planShards(options);
  const faults = new Set<string>();
  const check = (holds: boolean, rule: string) => {
    if (!holds)
      faults.add(
        `${rule} (${count} images of ${views} rows of ${rowBytes} bytes, ${maxShardRows})`,
      );
  };
  let position = 0;
  shards.forEach(({ id, start, end }, i) => {
    check(id === i && start === position && end > start, 'shards follow one another');
    const rows = (end - start) * views;
    check(end - start === 1 || rows <= maxShardRows, 'rows of a shard');
    check(end - start === 1 || rows * rowBytes <= 32 * MIB, 'bytes of a shard');
    position = end;
  });
  check(position === count, 'shards cover all');
  let next = 0;
  parts.forEach(({ index, firstShard, endShard }, i) => {
    check(index === i && firstShard === next && endShard >= firstShard, 'parts follow one another');
    const images = (shards[endShard - 1]?.end ?? 0) - (shards[firstShard]?.start ?? 0);
    const rows = images * views;
    check(endShard - firstShard <= 1 || rows <= 8192, 'rows of a part');
    check(endShard - firstShard <= 1 || rows * rowBytes <= 64 * MIB, 'bytes of a part');
    next = endShard;
  });
  check(next === shards.length, 'parts cover all');
  return [...faults];
}
