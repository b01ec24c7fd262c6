import { stat, statfs } from 'node:fs/promises';
import { RuntimeError } from '../../errors.ts';
import { runtimesDir } from '../cache-dir.ts';
import { downloadPaths } from './downloads.ts';
import type { RuntimeRecipe } from './wheels.ts';

/**
 * All wheels are on disk at once for a moment, and pip copies each one once more.
 * @throws RuntimeError that says how much is needed and how much is free
 */
export async function checkFreeSpace(recipe: RuntimeRecipe): Promise<void> {
  const sizes = recipe.wheels.map((wheel) => wheel.bytes);
  const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
  const needed = total + Math.max(...sizes) + recipe.unpackedBytes;
  const there = await presentBytes(recipe);
  const { bavail, bsize } = await statfs(runtimesDir());
  const free = bavail * bsize;
  if (free + there >= needed) return;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new RuntimeError(
    `Expected ${gigabytes(needed - there)} free in ${runtimesDir()} but found ${gigabytes(free)}.`,
    { fix: 'Free some space or set IMG2FEATURES_CACHE to a folder on a larger disk.' },
  );
}

async function presentBytes(recipe: RuntimeRecipe): Promise<number> {
  const paths = downloadPaths(recipe);
  const sizes = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}
