import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * What `setup` needs from the system, by package manager. Debian and Fedora split pip from Python.
 * @type {Record<'pip' | 'compiler', Record<string, string>>}
 */
const INSTALL = {
  pip: {
    'apt-get': 'apt-get install python3 python3-pip',
    dnf: 'dnf install python3 python3-pip',
    brew: 'brew install python',
  },
  compiler: {
    'apt-get': 'apt-get install g++',
    dnf: 'dnf install gcc-c++',
    brew: 'xcode-select --install',
  },
};

/**
 * One line for each tool that `setup` needs and this machine lacks: what is missing and what to install.
 * @param {NodeJS.ProcessEnv} env
 * @returns {string[]}
 */
export function missingTools(env) {
  const missing = [];
  if (!hasPip(env)) missing.push(`Python 3 with pip is missing (${howToInstall('pip', env)})`);
  if (!hasCompiler(env)) {
    missing.push(`a C++ compiler is missing (${howToInstall('compiler', env)})`);
  }
  return missing;
}

/** @param {NodeJS.ProcessEnv} env */
function hasPip(env) {
  // A Python that is there may still lack pip, so it is asked.
  return ['python3', 'python'].some(
    (python) =>
      spawnSync(python, ['-m', 'pip', '--version'], { env, stdio: 'ignore' }).status === 0,
  );
}

/** @param {NodeJS.ProcessEnv} env */
function hasCompiler(env) {
  const candidates = env.CXX ? [env.CXX] : ['c++', 'g++', 'clang++'];
  return candidates.some((name) => isOnPath(name, env));
}

/**
 * @param {'pip' | 'compiler'} tool
 * @param {NodeJS.ProcessEnv} env
 */
function howToInstall(tool, env) {
  const manager = Object.keys(INSTALL[tool]).find((name) => isOnPath(name, env));
  if (manager !== undefined) return INSTALL[tool][manager];
  return Object.values(INSTALL[tool]).join(', or ');
}

/**
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 */
function isOnPath(name, env) {
  for (const dir of (env.PATH ?? '').split(delimiter)) {
    if (dir === '') continue;
    try {
      accessSync(join(dir, name), constants.X_OK);
      return true;
    } catch {
      // Not in this folder; the next one may have it.
    }
  }
  return false;
}
