import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type ArchiveEntry,
  fileEntry,
  textEntry,
  writeArchive,
} from '../../src/pack/write-archive.ts';
import { listFiles, tempFolder } from '../e2e/run-cli.ts';

let dir: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
});
afterAll(() => remove());

function write(name: string, entries: ArchiveEntry[]): Promise<void> {
  const { signal } = new AbortController();
  const last = () => textEntry('last', 'z-last');
  return writeArchive(join(dir, name), entries, { signal, onProgress: () => {}, last });
}

test('a header says what tar expects, and nothing of time or user', async () => {
  await write('one.tar', [textEntry('x'.repeat(1000), 'bin/run', true)]);
  const archive = readFileSync(join(dir, 'one.tar'));
  const field = (offset: number, length: number) =>
    archive.subarray(offset, offset + length).toString('latin1');
  expect(field(0, 8)).toBe('bin/run\0');
  const octal = (offset: number, length: number) =>
    Number.parseInt(field(offset, length).replace(/[\0 ]/g, ''), 8);
  expect(octal(100, 8)).toBe(0o755);
  expect([octal(108, 8), octal(116, 8)]).toEqual([0, 0]);
  expect([octal(124, 12), octal(136, 12)]).toEqual([1000, 0]);
  expect(field(156, 1)).toBe('0');
  expect(field(257, 8)).toBe('ustar\0' + '00');
  // Content and padding, then the last file, then two empty blocks.
  expect(field(1024 + 512, 7)).toBe('z-last\0');
  expect(archive.subarray(-1024).every((byte) => byte === 0)).toBe(true);
});

test('tar unpacks names of every length, at the borders of the format too, and other letters', async () => {
  const names = [
    'a'.repeat(100),
    'b'.repeat(101),
    `${'c'.repeat(155)}/${'d'.repeat(100)}`,
    `${'e'.repeat(156)}/${'f'.repeat(50)}`,
    `g/${'h'.repeat(101)}`,
    `${'deep/'.repeat(60)}x`,
    'ünï/çödé.jpg',
    'with space/and "quotes"',
  ];
  await write(
    'names.tar',
    names.map((name) => textEntry(`content of ${name}`, name)),
  );
  mkdirSync(join(dir, 'names'));
  execFileSync('tar', ['xf', '../names.tar'], { cwd: join(dir, 'names') });
  expect(listFiles(join(dir, 'names'))).toEqual([...names, 'z-last'].sort());
  for (const name of names) {
    expect(readFileSync(join(dir, 'names', name), 'utf8')).toBe(`content of ${name}`);
  }
});

test.each([
  ['larger', 'much more than before'],
  ['smaller', 'x'],
])('a file that became %s meanwhile is one clear error and no archive', async (name, content) => {
  writeFileSync(join(dir, name), 'as listed');
  const entry = fileEntry(join(dir, name), name);
  writeFileSync(join(dir, name), content);
  await expect(write(`${name}.tar.gz`, [entry])).rejects.toThrow(
    `Expected 9 bytes of ${name} but found that it changed meanwhile.`,
  );
  expect(readdirSync(dir).filter((file) => file.includes(`${name}.tar.gz`))).toEqual([]);
});
