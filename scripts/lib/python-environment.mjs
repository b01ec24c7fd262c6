/** Python environments for tests and benchmarks, made once in the cache folder from pinned requirements. */
import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cacheFolder } from './cache-folder.mjs';

const BUILD_MS = 15 * 60_000;

/**
 * The Python of the environment `name`; makes it where it is not there yet, or where its requirements have changed.
 * @param {string} name e.g. "pyspark-3.5"
 * @param {string} requirements path of a requirements file with exact versions
 * @returns {string} path of the interpreter
 * @throws {Error} with pip's last words
 */
export function pythonEnvironment(name, requirements) {
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const base = join(cacheFolder(), 'test-venvs');
  const folder = join(base, `${name}-${hash}`);
  const python = join(folder, 'bin', 'python');
  const isWhole = join(folder, 'whole');
  if (existsSync(isWhole)) return python;
  mkdirSync(base, { recursive: true });
  // Made under a name of its own, which scripts inside hold, and linked when whole: other runs may be making it, too.
  const own = `${folder}.${randomUUID()}`;
  const quiet = /** @type {const} */ ({ encoding: 'utf8', timeout: BUILD_MS });
  const made = spawnSync('python3', ['-m', 'venv', own], quiet);
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '-r',
    requirements,
  ];
  const filled = made.status === 0 ? spawnSync(join(own, 'bin', 'python'), pip, quiet) : made;
  if (filled.status !== 0) {
    rmSync(own, { recursive: true, force: true });
    const words = `${filled.stdout ?? ''}${filled.stderr ?? ''}`.trimEnd().split('\n').slice(-10);
    throw new Error(`Expected to install ${requirements} but pip failed:\n${words.join('\n')}`);
  }
  writeFileSync(join(own, 'whole'), '');
  publish(own, folder);
  return python;
}

/**
 * @param {string} own
 * @param {string} folder
 */
function publish(own, folder) {
  // What an earlier build left unfinished there.
  if (!existsSync(join(folder, 'whole'))) rmSync(folder, { recursive: true, force: true });
  try {
    symlinkSync(basename(own), folder, 'dir');
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    if (!existsSync(join(folder, 'whole'))) throw error;
  }
}
