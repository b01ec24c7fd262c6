import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cacheDir } from '../../src/runtime/cache-dir.ts';

test('IMG2FEATURES_CACHE goes first', () => {
  const env = { IMG2FEATURES_CACHE: '/big/cache', XDG_CACHE_HOME: '/xdg', HOME: '/home/a' };
  expect(cacheDir(env)).toBe('/big/cache');
});

test('then a folder in XDG_CACHE_HOME', () => {
  expect(cacheDir({ XDG_CACHE_HOME: '/xdg', HOME: '/home/a' })).toBe('/xdg/img2features');
});

test('then one in the home directory, also when XDG_CACHE_HOME is relative', () => {
  expect(cacheDir({ HOME: '/home/a' })).toBe('/home/a/.cache/img2features');
  expect(cacheDir({ XDG_CACHE_HOME: 'xdg', HOME: '/home/a' })).toBe('/home/a/.cache/img2features');
});

test('a relative IMG2FEATURES_CACHE counts from the working folder', () => {
  expect(cacheDir({ IMG2FEATURES_CACHE: 'cache' })).toBe(join(process.cwd(), 'cache'));
});
