/** Wheels from pip to files. Finished ones wait here until their runtime is installed: a killed install goes on with them. */
import { rm, rmdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '../../errors.ts';
import { runtimesDir } from '../cache-dir.ts';
import { downloadWheel } from './download-wheel.ts';
import { extractWheel } from './extract-wheel.ts';
import type { Pip } from './find-pip.ts';
import { type OnStep, reportStep } from './setup-step.ts';
import { type RuntimeRecipe, wheelFileName, wheelMemberTarget } from './wheels.ts';

export function downloadsDir(): string {
  return join(runtimesDir(), 'downloads');
}

function downloadPaths(recipe: RuntimeRecipe): string[] {
  return recipe.wheels.map((wheel) => join(downloadsDir(), wheelFileName(wheel)));
}

/** The other kind's finished wheels may wait there for its next try. */
export async function removeDownloads(recipe: RuntimeRecipe): Promise<void> {
  await Promise.all(downloadPaths(recipe).map((path) => rm(path, { force: true })));
  await rmdir(downloadsDir()).catch(() => {}); // not empty
}

/**
 * All wheels are on disk at once for a moment, and pip copies each one once more.
 * @throws RuntimeError that says how much is needed and how much is free
 */
export async function checkFreeSpace(recipe: RuntimeRecipe): Promise<void> {
  const sizes = recipe.wheels.map((wheel) => wheel.bytes);
  const total = sum(sizes);
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
  return sum(sizes);
}

export interface FetchOptions {
  readonly onStep?: OnStep | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Downloads and unpacks what the runtime needs. @returns sizes of the files that stay, by their path inside `into` */
export async function fetchLibrary(
  recipe: RuntimeRecipe,
  into: string,
  pip: Pip,
  { onStep, signal }: FetchOptions,
): Promise<Record<string, number>> {
  const files: Record<string, number> = {};
  for (const [i, wheel] of recipe.wheels.entries()) {
    const count = recipe.wheels.length > 1 ? ` (${i + 1} of ${recipe.wheels.length})` : '';
    const label = `${wheel.package} ${wheel.version}${count}`;
    const size = `${megabytes(wheel.bytes)} MB`;
    const { path } = await reportStep(
      onStep,
      'download',
      `${label}, ${size}`,
      (progress) => {
        const onBytes = (bytes: number) => progress(`${label}, ${megabytes(bytes)} of ${size}`);
        return downloadWheel(wheel, { pip, downloadsDir: downloadsDir(), onBytes, signal });
      },
      ({ wasThere }) => `${label}, ${wasThere ? 'kept from before' : size}`,
    );
    const written = await reportStep(
      onStep,
      'unpack',
      label,
      () => {
        const target = (member: string) => wheelMemberTarget(member, wheel.package);
        return extractWheel({ path, sha256: wheel.sha256, into, target, signal });
      },
      (sizes) => `${label}, ${megabytes(sum(Object.values(sizes)))} MB on disk`,
    );
    Object.assign(files, written);
  }
  for (const name of Object.keys(files)) {
    if (name.startsWith('tensorflow/include/')) delete files[name]; // goes after compiling
  }
  return files;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
