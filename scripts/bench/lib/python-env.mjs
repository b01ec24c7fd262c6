import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from '../../../dist/runtime/cache-dir.js';

/**
 * A Python environment with the pinned packages of a requirements file, made once in the cache folder.
 * @param {string} requirements path of the file
 * @param {string} [python] the interpreter that makes it
 * @returns {string} the environment's python
 * @throws Error with pip's last lines
 */
export function pythonEnv(requirements, python = 'python3') {
  const hash = createHash('sha256').update(readFileSync(requirements)).update(python).digest('hex');
  const dir = join(cacheDir(), 'bench-venvs', hash.slice(0, 16));
  const stamp = join(dir, 'done');
  const interpreter = join(dir, 'bin', 'python');
  if (existsSync(stamp)) return interpreter;
  console.error(
    `Making the Python environment of ${requirements} (once; it may download some GB) …`,
  );
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  run(python, ['-m', 'venv', dir]);
  run(interpreter, ['-m', 'pip', 'install', '--quiet', '--prefer-binary', '-r', requirements]);
  run(interpreter, ['-c', `open(${JSON.stringify(stamp)}, "w").close()`]);
  return interpreter;
}

function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status === 0) return;
  const said = result.error?.message ?? result.stderr.slice(-2000);
  throw new Error(`${command} ${args.join(' ')} failed:\n${said}`);
}
