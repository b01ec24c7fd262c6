/** The Python environments with PySpark that the tests use. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from '../../scripts/lib/python-environment.mjs';

const TESTS = fileURLToPath(new URL('.', import.meta.url));
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
  return pythonEnvironment(`pyspark-${version}`, join(TESTS, `requirements-${version}.txt`));
}
