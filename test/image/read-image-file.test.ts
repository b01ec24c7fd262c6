import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readImageFile } from '../../src/image/read-image-file.ts';
import { skipIf } from '../skip-if.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'img2features-read-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function refusal(name: string, maxPixels = 1000): string {
  try {
    readImageFile(join(dir, name), maxPixels);
  } catch (error) {
    const { reason, message } = error as { reason: string; message: string };
    return `${reason}: ${message}`;
  }
  return 'read';
}

test('a file is read whole, also through a link', () => {
  writeFileSync(join(dir, 'a.jpg'), Buffer.of(1, 2, 3));
  symlinkSync('a.jpg', join(dir, 'link.jpg'));
  expect([...readImageFile(join(dir, 'a.jpg'), 1000)]).toEqual([1, 2, 3]);
  expect([...readImageFile(join(dir, 'link.jpg'), 1000)]).toEqual([1, 2, 3]);
});

test('an empty file', () => {
  writeFileSync(join(dir, 'empty.jpg'), '');
  expect(refusal('empty.jpg')).toBe('empty_file: Expected an image but found 0 bytes.');
});

test('a directory named like an image', () => {
  mkdirSync(join(dir, 'folder.jpg'));
  expect(refusal('folder.jpg')).toBe(
    'not_a_file: Expected a file but found a directory, pipe or device.',
  );
});

test('a named pipe without a writer does not hang', () => {
  execFileSync('mkfifo', [join(dir, 'pipe.jpg')]);
  expect(refusal('pipe.jpg')).toContain('not_a_file: ');
});

test('a socket', async () => {
  const server = createServer().listen(join(dir, 'socket.jpg'));
  await new Promise((resolve) => server.once('listening', resolve));
  expect(refusal('socket.jpg')).toContain('not_a_file: ');
  await new Promise((resolve) => server.close(resolve));
});

test('a link to nothing, and links in a circle', () => {
  symlinkSync('nowhere.jpg', join(dir, 'broken.jpg'));
  symlinkSync('loop-b.jpg', join(dir, 'loop-a.jpg'));
  symlinkSync('loop-a.jpg', join(dir, 'loop-b.jpg'));
  expect(refusal('broken.jpg')).toBe('broken_link: Expected a file but found a link to nothing.');
  expect(refusal('loop-a.jpg')).toBe('broken_link: Expected a file but found links in a circle.');
});

test('a file that is gone, with and without its folder', () => {
  expect(refusal('gone.jpg')).toContain('vanished: ');
  expect(refusal('gone/a.jpg')).toContain('vanished: ');
});

// The super-user reads everything.
test(
  'a file that may not be read',
  skipIf(process.getuid?.() === 0, 'the super-user may read everything'),
  () => {
    writeFileSync(join(dir, 'secret.jpg'), 'x');
    chmodSync(join(dir, 'secret.jpg'), 0);
    expect(refusal('secret.jpg')).toBe('unreadable: Expected a readable file but found EACCES.');
  },
);

test('a name that the system refuses', () => {
  expect(refusal(`${'x'.repeat(300)}.jpg`)).toBe(
    'unreadable: Expected a readable file but found ENAMETOOLONG.',
  );
  expect(refusal('a\0.jpg')).toContain('unreadable: ');
});

test('a file too large for any image of the pixel limit is not read', () => {
  writeFileSync(join(dir, 'huge.jpg'), 'x');
  truncateSync(join(dir, 'huge.jpg'), 70_000_000);
  expect(refusal('huge.jpg')).toMatch(/^too_many_pixels: Expected at most \d+ bytes for an image/);
  expect(refusal('huge.jpg', 1_000_000)).toBe('read');
});
