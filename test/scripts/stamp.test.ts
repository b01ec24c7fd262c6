import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadScript } from './load-script.ts';

const { isNodeRecent } = await loadScript('lib/check-node.mjs');
const { fingerprint, hasStamp, removeStamp, writeStamp } = await loadScript('lib/stamp.mjs');
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'stamp-'));
  await mkdir(join(root, 'src', 'deep'), { recursive: true });
  await writeFile(join(root, 'src', 'a.ts'), 'a');
  await writeFile(join(root, 'src', 'deep', 'b.ts'), 'b');
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

test.each([
  ['18.20.4', false],
  ['20.18.3', false],
  ['20.19.0', true],
  ['20.20.2', true],
  ['22.0.0', true],
  ['100.1.0', true],
])('Node %s against 20.19: %s', (found, enough) => {
  expect(isNodeRecent(found, '20.19')).toBe(enough);
});

test('the fingerprint does not see the time of a file', async () => {
  const before = fingerprint(root, ['src']);
  await utimes(join(root, 'src', 'a.ts'), 1, 1);
  expect(fingerprint(root, ['src'])).toBe(before);
});

test('the fingerprint sees a changed byte, a new file and a new name', async () => {
  const seen = new Set([fingerprint(root, ['src'])]);
  await writeFile(join(root, 'src', 'deep', 'b.ts'), 'c');
  seen.add(fingerprint(root, ['src']));
  await writeFile(join(root, 'src', 'new.ts'), '');
  seen.add(fingerprint(root, ['src']));
  await rename(join(root, 'src', 'new.ts'), join(root, 'src', 'newer.ts'));
  seen.add(fingerprint(root, ['src']));
  expect(seen.size).toBe(4);
});

test('a missing path is as good as an empty one', () => {
  expect(fingerprint(root, ['src', 'absent'])).toBe(fingerprint(root, ['src']));
});

test('a stamp holds for its own fingerprint, until it is removed', () => {
  const stamp = join(root, 'node_modules', '.stamp');
  expect(hasStamp(stamp, 'abc')).toBe(false);
  writeStamp(stamp, 'abc');
  expect(hasStamp(stamp, 'abc')).toBe(true);
  expect(hasStamp(stamp, 'abcd')).toBe(false);
  removeStamp(stamp);
  expect(hasStamp(stamp, 'abc')).toBe(false);
});
