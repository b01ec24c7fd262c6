/** Addons, the package's own or compiled by one compiler call each: tfjs-node's, our operations for TensorFlow, and our own. */
import { copyFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors.ts';
import { replaceFile } from '../../files/put-in-place.ts';
import {
  ADDON_NAMES,
  ADDONS,
  type AddonName,
  addonPath,
  addonSources,
  addonsDir,
  findBuilt,
  requireAddon,
} from '../addons.ts';
import {
  hasOperations,
  operationSources,
  operationsFileName,
  operationsPath,
} from '../operations.ts';
import { expectReleased, findPrebuilt, prebuiltRecord } from '../prebuilt.ts';
import { runCommand } from '../run-command.ts';
import type { PlatformKey } from '../runtime-platform.ts';
import { ADDON_NAME } from '../runtime-record.ts';
import { ADDON_SOURCES, tfjsNodeVersion } from '../tensorflow-js.ts';
import { TENSORFLOW_VERSION } from '../tensorflow-runtime.ts';
import { makePrivateFolder } from '../trusted-code.ts';
import { type OnStep, reportStep } from './setup-step.ts';

export interface Compiler {
  readonly program: string;
  /** Words of `$CXX` after the program, e.g. for "ccache g++". */
  readonly args: readonly string[];
  /** First line of its `--version`. */
  readonly version: string;
}

/**
 * `$CXX`, else c++, g++ or clang++.
 * @throws RuntimeError when there is none
 */
export async function findCompiler(env: NodeJS.ProcessEnv = process.env): Promise<Compiler> {
  const named = env.CXX?.trim();
  for (const candidate of named ? [named] : ['c++', 'g++', 'clang++']) {
    const [program = '', ...args] = candidate.split(/\s+/);
    const asked = await runCommand(program, [...args, '--version'], { env, timeoutMs: 60_000 });
    if (asked.status !== 0) continue;
    return { program, args, version: asked.stdout.split('\n', 1)[0].trim() };
  }
  throw new RuntimeError(
    named
      ? `Expected a C++ compiler in CXX but found ${JSON.stringify(named)}, which does not run.`
      : 'Expected a C++ compiler to build the addon but found none of c++, g++, clang++.',
    {
      fix: 'Install one (Debian, Ubuntu: apt install g++; macOS: xcode-select --install), or use --device wasm.',
    },
  );
}

/** What is compiled for a library. */
export interface AddonTarget {
  /** Folder for the addons. */
  readonly dir: string;
  /** Folder of the library, and of its headers in `include`; default: `<dir>/tensorflow`. */
  readonly libraryDir?: string | undefined;
}

/**
 * Builds `<dir>/tfjs_binding.node`. It finds a library inside `dir` relative to itself,
 * so the folder may be renamed afterwards. N-API: one binary for every Node release.
 * @throws RuntimeError with the compiler's first error
 */
export async function compileAddon(
  target: AddonTarget,
  compiler: Compiler,
  signal?: AbortSignal,
): Promise<void> {
  const { dir, libraryDir = join(dir, 'tensorflow') } = target;
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(ADDON_SOURCES, name));
  const args = [`-I${join(libraryDir, 'include')}`, ...linkArguments(target)];
  const path = join(dir, ADDON_NAME);
  await compileNative({ sources, path, what: "tfjs-node's addon", args }, compiler, signal);
}

/**
 * Our own TensorFlow operations (native/), for a runtime that is installed or being made.
 * @returns the path of their file
 * @throws RuntimeError with the compiler's first error
 */
export async function compileOperations(
  target: AddonTarget,
  compiler: Compiler,
  signal?: AbortSignal,
): Promise<string> {
  const path = operationsPath(target.dir);
  const args = ['-pthread', ...linkArguments(target)];
  const native = { sources: operationSources(), path, what: 'the operations', args };
  await compileNative(native, compiler, signal);
  return path;
}

export interface NativeTarget {
  /** Paths of the `.cc` files. */
  readonly sources: readonly string[];
  /** The file to make. */
  readonly path: string;
  /** For the error: "the operations". */
  readonly what: string;
  /** Further arguments, those of the linker last. */
  readonly args: readonly string[];
}

/**
 * Compiles sources into an addon by one compiler call, whole or not at all.
 * @throws RuntimeError with the compiler's first error
 */
export async function compileNative(
  { sources, path, what, args }: NativeTarget,
  compiler: Compiler,
  signal?: AbortSignal,
): Promise<void> {
  const nodeApi = createRequire(import.meta.url).resolve('node-api-headers/package.json');
  // No flag for this machine's instructions: the kernels name theirs, and the CPU is asked first.
  const all = [
    '-std=c++17',
    '-O2',
    '-fPIC',
    '-w',
    '-DNAPI_VERSION=8',
    `-I${join(dirname(nodeApi), 'include')}`,
    ...sources,
    ...args,
    '-o',
  ];
  await replaceFile(path, (temp) =>
    runCompiler(compiler, [...all, temp], { what, dir: dirname(path), signal }),
  );
}

/** @throws RuntimeError with the compiler's first error */
async function runCompiler(
  compiler: Compiler,
  args: readonly string[],
  { what, dir, signal }: { what: string; dir: string; signal: AbortSignal | undefined },
): Promise<void> {
  const result = await runCommand(compiler.program, [...compiler.args, ...args], {
    signal,
    env: { ...process.env, TMPDIR: dir },
  });
  if (result.status === 0) return;
  const lines = result.stderr.split('\n');
  const said = lines.find((line) => /error|undefined|cannot find/i.test(line)) ?? lines[0];
  throw new RuntimeError(
    `Expected ${compiler.version} to compile ${what} but found: ${said?.trim() || result.signal}`,
    { fix: 'Install a C++17 compiler with its standard library, or use --device wasm.' },
  );
}

/** What a shared object in `dir` needs to find the library. */
function linkArguments({ dir, libraryDir }: AddonTarget): string[] {
  const library = libraryDir ?? join(dir, 'tensorflow');
  if (process.platform === 'darwin') {
    return [
      '-bundle',
      // Node's own symbols are found when it loads the addon.
      '-undefined',
      'dynamic_lookup',
      join(library, 'libtensorflow_cc.2.dylib'),
      join(library, 'libtensorflow_framework.2.dylib'),
      `-Wl,-rpath,${libraryDir ?? '@loader_path/tensorflow'}`,
    ];
  }
  return [
    '-shared',
    `-L${library}`,
    '-l:libtensorflow_cc.so.2',
    '-l:libtensorflow_framework.so.2',
    `-Wl,-rpath,${libraryDir ?? '$ORIGIN/tensorflow'}`,
  ];
}

/** Where the addons for TensorFlow's library come from. */
export interface AddonMaker {
  /** The compiler's first line of `--version`, and whose it was. */
  readonly version: string;
  /** Makes `<dir>/tfjs_binding.node`. */
  makeBinding(target: AddonTarget, signal: AbortSignal | undefined): Promise<void>;
  /** @returns path of our operations */
  makeOperations(target: AddonTarget, signal: AbortSignal | undefined): Promise<string>;
}

/** tfjs-node's addon for the library that `setup` installs, as the package has it. */
export function prebuiltBindingName(): string {
  return `tfjs_binding-${tfjsNodeVersion()}-tensorflow-${TENSORFLOW_VERSION}.node`;
}

/**
 * The package's own addons where it has both for this platform, else the compiler. A library of the user's own gets compiled ones:
 * they name its folder.
 * @throws RuntimeError without either
 */
export async function findAddonMaker(
  platform: PlatformKey,
  libraryDir?: string,
): Promise<AddonMaker> {
  const binding = findPrebuilt(prebuiltBindingName(), platform);
  const operations = findPrebuilt(operationsFileName(), platform);
  const isWhole = binding !== undefined && (operations !== undefined || !hasOperations(platform));
  if (isWhole && libraryDir === undefined) return prebuiltMaker(binding, operations);
  const compiler = await findCompiler();
  return {
    version: compiler.version,
    makeBinding: (target, signal) => compileAddon(target, compiler, signal),
    makeOperations: (target, signal) => compileOperations(target, compiler, signal),
  };
}

function prebuiltMaker(binding: string, operations: string | undefined): AddonMaker {
  const copy = async (from: string, to: string) => {
    expectReleased(from);
    await replaceFile(to, (temp) => copyFile(from, temp));
  };
  return {
    version: `${prebuiltRecord(binding).compiler}, at release`,
    makeBinding: ({ dir }) => copy(binding, join(dir, ADDON_NAME)),
    makeOperations: async ({ dir }) => {
      if (operations !== undefined) await copy(operations, operationsPath(dir));
      return operationsPath(dir);
    },
  };
}

interface AddonOptions {
  /** Compile again even when the addon is there. */
  readonly force?: boolean | undefined;
  readonly onStep?: OnStep | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes sure that the addons of our own that this machine can have are in the cache folder. Everything works without
 * them, to the same bits.
 * @returns of each that could not be built: why, as a sentence
 */
export async function installAddons(options: AddonOptions): Promise<string[]> {
  const missing: string[] = [];
  for (const name of ADDON_NAMES) {
    const why = await installAddon(name, options);
    if (why !== undefined) {
      const { instead, what } = ADDONS[name];
      missing.push(`${instead}, slower, in place of ${what}: ${why}`);
    }
  }
  return missing;
}

/** One of the package's may be for a newer C library than this system's. */
function loads(path: string | undefined): boolean {
  return path !== undefined && requireAddon(path, () => undefined).why === undefined;
}

async function installAddon(
  name: AddonName,
  { force = false, onStep, signal }: AddonOptions,
): Promise<string | undefined> {
  const sources = addonSources(name);
  if (sources === undefined) return undefined;
  const path = addonPath(name, sources);
  const built = findBuilt(name, sources);
  if (built === path ? !force : loads(built)) return undefined;
  const { what, compilerArgs } = ADDONS[name];
  const target = { sources: sources.files, path, what, args: compilerArgs };
  try {
    const compiler = await findCompiler();
    makePrivateFolder(addonsDir());
    await reportStep(
      onStep,
      'compile',
      what.replace(/^the /, ''),
      () => compileNative(target, compiler, signal),
      () => basename(path),
    );
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    // The runtime's install reports a folder that cannot be written, with its fix.
    if (error instanceof RuntimeError || errnoOf(error) !== undefined) {
      return (error as Error).message;
    }
    throw error;
  }
}
