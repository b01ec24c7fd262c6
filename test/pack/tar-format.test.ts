import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { END_OF_ARCHIVE, paddingOf, tarHeader } from '../../src/pack/tar-format.ts';
import { listFiles, tempFolder } from '../e2e/run-cli.ts';

let dir: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
});
afterAll(() => remove());

function field(header: Uint8Array, offset: number, length: number): string {
  return Buffer.from(header.subarray(offset, offset + length)).toString('latin1');
}

test('a header says what tar expects, and nothing of time or user', () => {
  const header = tarHeader('bin/run', 1000, true);
  expect(header).toHaveLength(512);
  expect(field(header, 0, 8)).toBe('bin/run\0');
  expect(field(header, 100, 8)).toBe('0000755\0');
  expect(field(header, 108, 16)).toBe('0000000\0' + '0000000\0');
  expect(field(header, 124, 24)).toBe('00000001750\0' + '00000000000\0');
  expect(field(header, 156, 1)).toBe('0');
  expect(field(header, 257, 8)).toBe('ustar\0' + '00');
  expect(paddingOf(1000)).toHaveLength(24);
  expect(paddingOf(1024)).toHaveLength(0);
});

test('a file too large for the format is refused', () => {
  expect(() => tarHeader('a', 8 ** 11, false)).toThrow(/too large for tar/);
});

test('tar unpacks names of every length, at the borders of the format too, and other letters', () => {
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
  const parts = names.flatMap((name) => {
    const content = Buffer.from(`content of ${name}`);
    return [tarHeader(name, content.length, false), content, paddingOf(content.length)];
  });
  writeFileSync(join(dir, 'names.tar'), Buffer.concat([...parts, END_OF_ARCHIVE]));
  mkdirSync(join(dir, 'names'));
  execFileSync('tar', ['xf', '../names.tar'], { cwd: join(dir, 'names') });
  expect(listFiles(join(dir, 'names'))).toEqual([...names].sort());
  for (const name of names) {
    expect(readFileSync(join(dir, 'names', name), 'utf8')).toBe(`content of ${name}`);
  }
});
