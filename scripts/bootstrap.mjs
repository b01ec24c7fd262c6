/**
 * Everything between a fresh clone and the first command: npm packages, the build, TensorFlow's library.
 * Plain Node.js without dependencies, because none is installed yet; and no syntax or import that
 * Node 16 cannot load, so that an old Node reaches the message about its version.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isNodeRecent, requiredNode } from './lib/check-node.mjs';
import { missingTools } from './lib/find-tools.mjs';
import { fingerprint, hasStamp, removeStamp, writeStamp } from './lib/stamp.mjs';
import { runQuietly, runStep, StepError } from './lib/steps.mjs';

/** The checkout: the folder that holds package.json. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const CLI = join(ROOT, 'dist', 'cli.js');

/**
 * Makes the checkout ready; a step that is done is not done again.
 * @param {NodeJS.WritableStream} out gets one line a step
 * @throws {StepError} when the tool cannot be made to work at all
 */
export async function bootstrap(out) {
  const required = requiredNode();
  if (!isNodeRecent(process.versions.node, required)) {
    throw new StepError(
      `Expected Node.js ${required} or newer but found ${process.versions.node}: install a current release (nodejs.org, nvm install --lts, or your package manager).`,
    );
  }
  await runStep(npmPackages(), out);
  await runStep(build(), out);
  await runStep(tensorFlow(), out);
}

/** @returns {import('./lib/steps.mjs').Step} */
function npmPackages() {
  const stamp = join(ROOT, 'node_modules', '.img2features-lock');
  const wanted = fingerprint(ROOT, ['package-lock.json']);
  return {
    what: 'Install npm packages (npm ci)',
    isDone: () => hasStamp(stamp, wanted),
    run: async () => {
      removeStamp(stamp);
      // The compiler and the tests are devDependencies: needed for any NODE_ENV.
      const flags = ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'];
      const [command, ...before] = npmCommand();
      const { status, tail } = await runQuietly(command, [...before, ...flags], here());
      if (status === 127) throw new StepError('npm is missing: install it together with Node.js.');
      if (status !== 0) throw new StepError('npm ci failed. It said:', tail);
      writeStamp(stamp, wanted);
    },
  };
}

/** @returns {import('./lib/steps.mjs').Step} */
function build() {
  const stamp = join(ROOT, 'dist', '.sources');
  const code = join('scripts', 'bundle-code.mjs');
  const bundle = join('scripts', 'bundle-tensorflow.mjs');
  const library = join('scripts', 'bundle-libjpeg.mjs');
  const wasm = join('scripts', 'build-wasm.mjs');
  const page = join('scripts', 'build-page.mjs');
  const sources = [
    'src',
    code,
    bundle,
    library,
    join('scripts', 'licenses'),
    wasm,
    join('native', 'wasm'),
    page,
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
  ];
  const wanted = fingerprint(ROOT, sources);
  return {
    what: 'Build src/ into dist/ (tsc, esbuild)',
    isDone: () => hasStamp(stamp, wanted) && existsSync(CLI),
    run: async () => {
      removeStamp(stamp);
      const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
      const parts = [
        ['tsc', tsc, '-p', 'tsconfig.build.json'],
        ['The clean-up', join('scripts', 'remove-orphans.mjs')],
        ['esbuild', code],
        ['esbuild', bundle],
        ['The copy of libjpeg-turbo', library],
        ['AssemblyScript', wasm],
        ['esbuild', page],
      ];
      for (const [name, ...args] of parts) {
        const { status, tail } = await runQuietly(process.execPath, args, here());
        if (status !== 0) throw new StepError(`The build failed. ${name} said:`, tail);
      }
      writeStamp(stamp, wanted);
    },
  };
}

/**
 * Pixels mode needs none of it and VGG16 has a second engine, so nothing here ends the set-up.
 * @returns {import('./lib/steps.mjs').Step}
 */
function tensorFlow() {
  const instead = 'using the WebAssembly engine, which is several times slower';
  return {
    what: 'Set up TensorFlow (pip download of about 275 MB, one compiler call)',
    isDone: async () => {
      const { locateRuntime } = await importBuilt('locate-runtime.js');
      const { platform, cpu, gpu, installedGpuPackage, own } = await locateRuntime();
      if (own instanceof Error) return false;
      if ([cpu, gpu, installedGpuPackage, own].every((runtime) => runtime === undefined))
        return false;
      // The library of an earlier version lacks this one's operations and addons: one compiler call each.
      const { hasOperations } = await importBuilt('operations.js');
      const { lacksAddons } = await importBuilt('addons.js');
      const lacksOperations =
        cpu !== undefined && cpu.operationsPath === undefined && hasOperations(platform.key);
      return (!lacksOperations && !lacksAddons()) || missingTools(process.env).length > 0;
    },
    run: async () => {
      const missing = missingTools(process.env);
      if (missing.length > 0) return `${missing.join('; ')}: ${instead}`;
      const { status, tail } = await runQuietly(process.execPath, [CLI, 'setup'], here());
      return status === 0 ? undefined : `failed: ${instead}. It said:\n${tail}`;
    },
  };
}

/** @param {string} name of a module of dist/runtime */
function importBuilt(name) {
  return import(pathToFileURL(join(ROOT, 'dist', 'runtime', name)).href);
}

/** The npm that runs this script, else the one on the PATH. */
function npmCommand() {
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) return [process.execPath, script];
  return [process.platform === 'win32' ? 'npm.cmd' : 'npm'];
}

function here() {
  return { cwd: ROOT, env: process.env };
}
