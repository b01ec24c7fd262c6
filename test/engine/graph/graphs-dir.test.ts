import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { graphsDir } from '../../../src/engine/graph/graph-cache.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'img2features-graphs-'));
  process.env.TMPDIR = dir;
});
afterEach(() => {
  delete process.env.TMPDIR;
  rmSync(dir, { recursive: true, force: true });
});

test('graphs lie in the cache folder', () => {
  const env = { IMG2FEATURES_CACHE: join(dir, 'cache') };
  expect(graphsDir(env)).toBe(join(dir, 'cache', 'graphs'));
});

const READ_ONLY = { IMG2FEATURES_CACHE: '/dev/null/cache' };

test('where the cache folder cannot be written they lie in a temporary folder of the user', () => {
  const own = join(dir, `img2features-${userInfo().uid}`);
  expect(graphsDir(READ_ONLY)).toBe(join(own, 'graphs'));
  expect(statSync(own).mode & 0o777).toBe(0o700);
});

test('a folder of that name that others can write is not trusted', () => {
  const own = join(dir, `img2features-${userInfo().uid}`);
  mkdirSync(own);
  chmodSync(dir, 0o1777); // as /tmp
  chmodSync(own, 0o777);
  const found = graphsDir(READ_ONLY);
  expect(found.startsWith(own)).toBe(false);
  expect(statSync(found).mode & 0o777).toBe(0o700);
});
