/**
 * Part of `npm run release`: dist/vendor/prebuilt/<platform>/, the addons that the package brings, and prebuilt.json with
 * their SHA-256. `c++` (or CXX) makes those of this machine's processor, aarch64-linux-gnu-g++ those for Linux on arm64. macOS
 * has none here: its compiler is not on Linux, and what was never loaded is not shipped.
 * They are made against TensorFlow's headers of the wheel that `setup` installs, which pip fetches once.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ADDON_NAMES, ADDONS, addonFileName, nativeSources } from '../dist/runtime/addons.js';
import { cacheDir } from '../dist/runtime/cache-dir.js';
import {
  compileAddon,
  compileNative,
  compileOperations,
  prebuiltBindingName,
} from '../dist/runtime/install/compile-addon.js';
import { downloadWheel } from '../dist/runtime/install/downloads.js';
import { extractWheel } from '../dist/runtime/install/extract-wheel.js';
import { findPip } from '../dist/runtime/install/pip.js';
import { runtimeRecipe } from '../dist/runtime/install/wheels.js';
import { hasOperations } from '../dist/runtime/operations.js';
import { TENSORFLOW_VERSION } from '../dist/runtime/tensorflow-runtime.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = join(ROOT, 'dist', 'vendor', 'prebuilt');

const COMPILERS = /** @type {const} */ ({
  'linux-x64': process.env.CXX || 'c++',
  'linux-arm64': 'aarch64-linux-gnu-g++',
});

/** Of the C++ library nothing is needed of this machine's, and of its C library only what older ones have (oldest-glibc.c). */
const ARGS = [
  '-static-libstdc++',
  '-ffunction-sections',
  '-Wl,--gc-sections,--exclude-libs,ALL,--no-as-needed,-s',
];
const OLDEST_GLIBC = 2.27;

/** @returns {Promise<string[]>} a line for each platform */
export async function buildAddons() {
  const temporary = `${OUT}.tmp-${process.pid}`;
  const lines = [];
  try {
    const include = await tensorFlowHeaders();
    for (const [platform, program] of Object.entries(COMPILERS)) {
      const version = versionOf(program);
      if (version === undefined) {
        lines.push(`${platform}: left out, there is no ${program}`);
        continue;
      }
      const dir = join(temporary, platform);
      mkdirSync(dir, { recursive: true });
      const oldest = join(temporary, `oldest-glibc-${platform}.o`);
      const source = join(ROOT, 'scripts', 'lib', 'oldest-glibc.c');
      execFileSync(program, [
        '-x',
        'c',
        '-O2',
        '-fPIC',
        '-ffunction-sections',
        '-c',
        source,
        '-o',
        oldest,
      ]);
      const compiler = { program, args: [...ARGS, oldest], version };
      await build(/** @type {'linux-x64' | 'linux-arm64'} */ (platform), compiler, dir, include);
      const names = readdirSync(dir).sort();
      for (const name of names) expectOldSymbols(join(dir, name));
      const files = Object.fromEntries(names.map((name) => [name, sha256(join(dir, name))]));
      const record = { compiler: version, files };
      writeFileSync(join(dir, 'prebuilt.json'), `${JSON.stringify(record, undefined, 2)}\n`);
      rmSync(oldest);
      lines.push(`${platform}: ${names.length} addons by ${version}`);
    }
    rmSync(OUT, { recursive: true, force: true });
    renameSync(temporary, OUT);
    return lines;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** A checkout compiles its own. */
export function removePrebuilt() {
  rmSync(OUT, { recursive: true, force: true });
}

/**
 * @param {'linux-x64' | 'linux-arm64'} platform
 * @param {import('../dist/runtime/install/compile-addon.js').Compiler} compiler
 * @param {string} dir
 * @param {string} include
 */
async function build(platform, compiler, dir, include) {
  for (const name of ADDON_NAMES) {
    const { folder, platforms, compilerArgs, what } = ADDONS[name];
    const sources = nativeSources(folder);
    if (sources === undefined || !(/** @type {readonly string[]} */ (platforms).includes(platform)))
      continue;
    const path = join(dir, addonFileName(name, sources));
    await compileNative({ sources: sources.files, path, what, args: compilerArgs }, compiler);
  }
  // What is linked needs the libraries' names alone: each symbol is looked for when it is loaded.
  const tensorflow = join(dir, 'tensorflow');
  mkdirSync(tensorflow);
  for (const name of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2']) {
    const args = ['-shared', '-nostdlib', `-Wl,-soname,${name}`, '-x', 'c', '/dev/null', '-o'];
    execFileSync(compiler.program, [...args, join(tensorflow, name)]);
  }
  const own = { ...compiler, args: [...compiler.args, `-I${include}`] };
  await compileAddon({ dir }, own);
  renameSync(join(dir, 'tfjs_binding.node'), join(dir, prebuiltBindingName()));
  if (hasOperations(platform)) await compileOperations({ dir }, own);
  rmSync(tensorflow, { recursive: true });
}

/** @returns {Promise<string>} their folder, kept in the cache */
async function tensorFlowHeaders() {
  const kept = join(cacheDir(), 'release', `tensorflow-${TENSORFLOW_VERSION}`);
  const include = join(kept, 'tensorflow', 'include');
  if (existsSync(include)) return include;
  const recipe = runtimeRecipe('cpu', 'linux-x64');
  if (recipe === undefined) throw new Error('Expected a recipe for linux-x64 but found none.');
  const [wheel] = recipe.wheels;
  const temporary = `${kept}.tmp-${process.pid}`;
  mkdirSync(temporary, { recursive: true });
  const pip = await findPip();
  const { path } = await downloadWheel(wheel, {
    pip,
    downloadsDir: temporary,
    onBytes: () => {},
    instead: '',
    signal: undefined,
  });
  await extractWheel({
    path,
    sha256: wheel.sha256,
    into: temporary,
    target: (member) => (/^tensorflow\/include\/.*\.h$/.test(member) ? member : undefined),
  });
  rmSync(path);
  rmSync(kept, { recursive: true, force: true });
  renameSync(temporary, kept);
  return include;
}

/** @param {string} path @throws where the addon needs a newer C library, or a C++ library */
function expectOldSymbols(path) {
  const symbols = execFileSync('objdump', ['-T', path]).toString();
  const newer = [...symbols.matchAll(/\bGLIBC_2\.(\d+)\b.*/g)].filter(
    ([, minor]) => Number(minor) > 100 * (OLDEST_GLIBC - 2),
  );
  const needed = execFileSync('objdump', ['-p', path]).toString();
  const library = /NEEDED +libstdc\+\+\S*/.exec(needed);
  const found = newer[0]?.[0] ?? library?.[0];
  if (found === undefined) return;
  throw new Error(
    `Expected nothing newer than glibc ${OLDEST_GLIBC} in ${path} but found ${found}.`,
  );
}

/** @param {string} program @returns {string | undefined} */
function versionOf(program) {
  try {
    return execFileSync(program, ['--version']).toString().split('\n', 1)[0];
  } catch {
    return undefined;
  }
}

/** @param {string} path */
function sha256(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const line of await buildAddons()) console.log(line);
}
