import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { locateOrigin, targetOf } from '../../src/worker/read-origin.ts';

test.each([
  ['data/a/1.jpg', resolve('data/a/1.jpg'), 'a'],
  ['/data/a b/1.jpg', '/data/a b/1.jpg', 'a b'],
  ['file:///data/a%20b/1%2B1.jpg', '/data/a b/1+1.jpg', 'a b'],
  ['file:/data/a%20b/1.jpg', '/data/a%20b/1.jpg', 'a%20b'],
  ['FILE:///data/a/1.jpg', '/data/a/1.jpg', 'a'],
  ['/1.jpg', '/1.jpg', ''],
])('%s is the path %s in the folder %s', (origin, path, target) => {
  expect(locateOrigin(origin)).toEqual({ kind: 'path', path });
  expect(targetOf(origin)).toBe(target);
});

test.each([
  ['s3://bucket/a b/1%20.jpg', 's3', 'a b/1%20.jpg', 'a b'],
  ['s3a://bucket/a//1.jpg', 's3a', 'a//1.jpg', 'a'],
  ['s3://bucket/1.jpg', 's3', '1.jpg', 'bucket'],
])('%s is an object', (origin, scheme, key, target) => {
  expect(locateOrigin(origin)).toEqual({ kind: 's3', scheme, bucket: 'bucket', key });
  expect(targetOf(origin)).toBe(target);
});

test.each([
  ['hdfs://name:8020/data/a/1.jpg', 'a'],
  ['dbfs:/mnt/data/a/1.jpg', 'a'],
  ['abfss://files@account.dfs.core.windows.net/a/1.jpg', 'a'],
  ['gs://bucket/1.jpg', 'bucket'],
])('%s has a class but is not read here', (origin, target) => {
  expect(targetOf(origin)).toBe(target);
  expect(() => locateOrigin(origin)).toThrow(
    `Expected a path, file:// or s3:// to read an image from but found the origin ${origin}.`,
  );
});

test('a path that only looks like a scheme is a path', () => {
  expect(locateOrigin('c:odd/1.jpg')).toEqual({ kind: 'path', path: resolve('c:odd/1.jpg') });
});
