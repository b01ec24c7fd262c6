/** tfjs-node's addon, compiled against the library it will run on, by one compiler call. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { RuntimeError } from '../../errors.ts';
import { runCommand } from '../run-command.ts';
import { ADDON_NAME } from '../runtime-record.ts';
import { ADDON_SOURCES } from '../tensorflow-js.ts';

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
    return { program, args, version: asked.stdout.split('\n', 1)[0]!.trim() };
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
  const require = createRequire(import.meta.url);
  const nodeApi = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
  const args = [
    '-std=c++17',
    '-O2',
    '-fPIC',
    '-w',
    '-DNAPI_VERSION=8',
    `-I${join(libraryDir, 'include')}`,
    `-I${nodeApi}`,
    join(ADDON_SOURCES, 'tfjs_backend.cc'),
    join(ADDON_SOURCES, 'tfjs_binding.cc'),
    ...linkArguments(target),
    '-o',
    join(dir, ADDON_NAME),
  ];
  await runCompiler(compiler, args, { what: "tfjs-node's addon", dir, signal });
}

/** @throws RuntimeError with the compiler's first error */
export async function runCompiler(
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
export function linkArguments({ dir, libraryDir }: AddonTarget): string[] {
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
