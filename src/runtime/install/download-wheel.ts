/**
 * One pinned wheel by pip, which knows the user's index, proxy, certificates and mirrors. Finished
 * wheels stay in the downloads folder until the install is done, so the next install uses them after a kill.
 */
import { randomBytes } from 'node:crypto';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '../../errors.ts';
import { makeFolder } from '../../files/make-folder.ts';
import { runCommand } from '../run-command.ts';
import { fileSha256 } from './extract-wheel.ts';
import type { Pip } from './find-pip.ts';
import { pipError } from './pip-error.ts';
import { type PinnedWheel, wheelFileName } from './wheels.ts';

export interface DownloadOptions {
  readonly pip: Pip;
  /** Folder for finished wheels; temporary folders are in it too. */
  readonly downloadsDir: string;
  /** Called about twice a second with the bytes on disk so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly env?: NodeJS.ProcessEnv;
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

  const work = join(downloadsDir, `pip.tmp-${process.pid}-${randomBytes(4).toString('hex')}`);
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
  if (result.status !== 0) throw pipError(wheel, result);
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
