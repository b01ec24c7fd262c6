/**
 * Python environments with PySpark for the tests, made once in the cache folder from pinned requirements.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TESTS = fileURLToPath(new URL('../spark/tests', import.meta.url));
const BUILD_MS = 15 * 60_000;
const JAVA_OLDEST = 17;
/** Spark 3.5 needs at least this; its typing of lists as well. */
const PYTHON_OLDEST = [3, 10];

/** The releases that are tested; each has a file of requirements beside the tests. */
export const SPARK_VERSIONS = /** @type {const} */ (['3.5', '4']);

/**
 * Why the tests on Spark cannot run here; undefined where they can. Looks at what is there, installs nothing.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string | undefined}
 */
export function whyNoSpark(env = process.env) {
  if (env.IMG2FEATURES_TEST_SPARK === 'off') return 'IMG2FEATURES_TEST_SPARK is off';
  if (process.platform === 'win32') return 'Windows has no daemon of Python workers';
  const java = spawnSync('java', ['-version'], { env, encoding: 'utf8' });
  const release = /version "(\d+)/.exec(java.stderr ?? '')?.[1];
  if (java.status !== 0 || Number(release) < JAVA_OLDEST) return `Java ${JAVA_OLDEST} is missing`;
  const code = 'import sys, venv; print(*sys.version_info[:2])';
  const python = spawnSync('python3', ['-c', code], { env, encoding: 'utf8' });
  const [major = 0, minor = 0] = (python.stdout ?? '').split(' ').map(Number);
  const isOld =
    major < PYTHON_OLDEST[0] || (major === PYTHON_OLDEST[0] && minor < PYTHON_OLDEST[1]);
  if (python.status !== 0 || isOld) return `Python ${PYTHON_OLDEST.join('.')} with venv is missing`;
  return undefined;
}

/**
 * The Python of an environment with that PySpark; makes it where it is not there yet (some 450 MB to download).
 * @param {typeof SPARK_VERSIONS[number]} version
 * @returns {string}
 * @throws {Error} with pip's last words
 */
export function sparkPython(version) {
  const requirements = join(TESTS, `requirements-${version}.txt`);
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const base = join(cacheFolder(), 'test-venvs');
  const folder = join(base, `pyspark-${version}-${hash}`);
  const python = join(folder, 'bin', 'python');
  const isWhole = join(folder, 'whole');
  if (existsSync(isWhole)) return python;
  mkdirSync(base, { recursive: true });
  // Scripts inside hold the folder's name: it is made in place, and counts when the mark is there.
  rmSync(folder, { recursive: true, force: true });
  const quiet = /** @type {const} */ ({ encoding: 'utf8', timeout: BUILD_MS });
  const made = spawnSync('python3', ['-m', 'venv', folder], quiet);
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '-r',
    requirements,
  ];
  const filled = made.status === 0 ? spawnSync(python, pip, quiet) : made;
  if (filled.status !== 0) {
    rmSync(folder, { recursive: true, force: true });
    const words = `${filled.stdout ?? ''}${filled.stderr ?? ''}`.trimEnd().split('\n').slice(-10);
    throw new Error(`Expected to install ${requirements} but pip failed:\n${words.join('\n')}`);
  }
  writeFileSync(isWhole, '');
  return python;
}

/** The same rule as src/runtime/cache-dir.ts; scripts run before anything is built. */
function cacheFolder() {
  const { IMG2FEATURES_CACHE: own, XDG_CACHE_HOME: xdg, HOME: home } = process.env;
  if (own) return own;
  return join(xdg?.startsWith('/') ? xdg : join(home || homedir(), '.cache'), 'img2features');
}
