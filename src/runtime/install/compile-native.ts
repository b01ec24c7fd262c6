import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Compiler, runCompiler } from './compile-addon.ts';

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
 * Compiles sources of native/ into an addon by one compiler call, whole or not at all.
 * @throws RuntimeError with the compiler's first error
 */
export async function compileNative(
  { sources, path, what, args }: NativeTarget,
  compiler: Compiler,
  signal?: AbortSignal,
): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`;
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
    temporary,
  ];
  try {
    await runCompiler(compiler, all, { what, dir: dirname(path), signal });
    const handle = await open(temporary, 'r');
    await handle.sync().finally(() => handle.close());
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
