import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { WeightReader } from '../../src/engine/weight-reader.ts';
import { ModelError } from '../../src/errors.ts';
import { stampOf } from '../../src/model/check-weights.ts';
import type { ModelFolder } from '../../src/model/model-folder.ts';
import { caught } from './caught.ts';

const dir = mkdtempSync(join(tmpdir(), 'weights-'));
afterAll(() => rmSync(dir, { recursive: true }));

const WEIGHTS = [
  { name: 'a', shape: [2], dtype: 'float32' },
  { name: 'b', shape: [2, 2], dtype: 'float32' },
  { name: 'c', shape: [], dtype: 'float32' },
] as const;
const VALUES = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6, 7).buffer);

/** The 28 bytes of a, b and c in shards that end at `cuts`. */
function folderOf(...cuts: number[]): ModelFolder {
  const shardPaths = [...cuts, VALUES.length].map((end, i) => {
    const path = join(dir, `shard-${i}`);
    writeFileSync(path, VALUES.subarray(cuts[i - 1] ?? 0, end));
    return path;
  });
  const shardStamps = shardPaths.map((path) => stampOf(statSync(path, { bigint: true })));
  return { dir, weights: WEIGHTS, shardPaths, shardStamps } as unknown as ModelFolder;
}

function read(reader: WeightReader, name: string, values: number): number[] {
  const bytes = new Uint8Array(values * 4);
  reader.read(name, bytes);
  return [...new Float32Array(bytes.buffer)];
}

test.each([[[]], [[8]], [[12, 20]], [[1, 2, 13]], [[0, 28]]])(
  'weights are whole in shards cut at %j',
  (cuts) => {
    const reader = new WeightReader(folderOf(...cuts));
    expect(read(reader, 'b', 4)).toEqual([3, 4, 5, 6]);
    expect(read(reader, 'c', 1)).toEqual([7]);
    expect(read(reader, 'a', 2)).toEqual([1, 2]);
    expect(reader.find('b')?.shape).toEqual([2, 2]);
    expect(reader.find('d')).toBeUndefined();
    reader.close();
  },
);

test('shards that are too short are an error at once', () => {
  const folder = folderOf();
  writeFileSync(folder.shardPaths[0], VALUES.subarray(0, 27));
  const error = caught(ModelError, () => new WeightReader(folder));
  expect(error.message).toBe(`Expected 28 bytes of weights for ${dir} but found 27.`);
});

test('a shard that is gone is named', () => {
  const folder = folderOf();
  rmSync(folder.shardPaths[0]);
  const error = caught(ModelError, () => new WeightReader(folder));
  expect(error.message).toBe(`Expected a weight shard at ${folder.shardPaths[0]} but found none.`);
});

test('shards that are no longer those that were hashed are refused', () => {
  const folder = folderOf(8);
  const reader = new WeightReader(folder);
  reader.expectUnchanged();
  writeFileSync(folder.shardPaths[1], new Uint8Array(20));
  const error = caught(ModelError, () => reader.expectUnchanged());
  expect(error.message).toContain(`Expected ${folder.shardPaths[1]} to stay as it is`);
  reader.close();
});
