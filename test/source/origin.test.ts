import { posix, win32 } from 'node:path';
import { expect, test } from 'vitest';
import { originOf } from '../../src/source/source.ts';

test.each([
  ['.\\photos', 'train\\cat\\1.jpg', 'photos/train/cat/1.jpg'],
  ['C:\\photos', 'train\\cat\\1.jpg', 'C:/photos/train/cat/1.jpg'],
  ['C:/photos/', 'cat\\1.jpg', 'C:/photos/cat/1.jpg'],
  ['\\\\server\\share\\photos', 'cat\\1.jpg', '//server/share/photos/cat/1.jpg'],
  ['C:\\photos\\1.jpg', '', 'C:/photos/1.jpg'],
])(
  'on Windows %s and %s give an origin with slashes, as on every system',
  (input, relative, origin) => {
    const path = win32.join(input, relative);
    expect(originOf('path', { input, relative, path }, win32)).toBe(origin);
    if (relative !== '') {
      const below = relative.replaceAll('\\', '/');
      expect(originOf('relative', { input, relative, path }, win32)).toBe(below);
    }
  },
);

test('elsewhere a backslash is part of a name', () => {
  const found = { input: './photos', relative: 'a\\b/1.jpg', path: '/photos/a\\b/1.jpg' };
  expect(originOf('path', found, posix)).toBe('photos/a\\b/1.jpg');
});
