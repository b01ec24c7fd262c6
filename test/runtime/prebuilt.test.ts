import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { expectReleased, findPrebuilt, prebuiltRecord } from '../../src/runtime/prebuilt.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'prebuilt-'));
  await mkdir(join(dir, 'linux-x64'));
  await writeFile(join(dir, 'linux-x64', 'a.node'), 'an addon');
  const files = { 'a.node': createHash('sha256').update('an addon').digest('hex') };
  const record = JSON.stringify({ compiler: 'g++ 12', files });
  await writeFile(join(dir, 'linux-x64', 'prebuilt.json'), record);
});
afterEach(() => rm(dir, { recursive: true }));

test('an addon of the package is found by its name and platform, and is the one that was released', () => {
  const path = findPrebuilt('a.node', 'linux-x64', dir);
  expect(path).toBe(join(dir, 'linux-x64', 'a.node'));
  expect(prebuiltRecord(path!).compiler).toBe('g++ 12');
  expectReleased(path!, dir);
  expect(findPrebuilt('b.node', 'linux-x64', dir)).toBeUndefined();
  expect(findPrebuilt('a.node', 'darwin-arm64', dir)).toBeUndefined();
});

test('a changed one is refused, and one that the record does not name', async () => {
  const path = join(dir, 'linux-x64', 'a.node');
  await writeFile(path, 'another addon');
  expect(() => expectReleased(path, dir)).toThrow(
    /^Expected SHA-256 [0-9a-f]{64} for .*a\.node but/,
  );
  const unknown = join(dir, 'linux-x64', 'b.node');
  await copyFile(path, unknown);
  expect(() => expectReleased(unknown, dir)).toThrow('Expected SHA-256 undefined');
});

test('what was compiled here is not the package’s, and is left alone', async () => {
  const path = join(dir, 'c.node');
  await writeFile(path, 'compiled');
  expect(() => expectReleased(path, dir)).not.toThrow();
});
