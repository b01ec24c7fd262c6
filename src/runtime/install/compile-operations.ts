/** Our own TensorFlow operations (native/), compiled into a runtime that is installed or being made. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { operationSources, operationsPath } from '../operations.ts';
import { type Compiler, linkArguments, runCompiler } from './compile-addon.ts';

/**
 * Builds the file that `operationsPath` names, whole or not at all.
 * @returns its path
 * @throws RuntimeError with the compiler's first error
 */
export async function compileOperations(
  dir: string,
  compiler: Compiler,
  signal?: AbortSignal,
): Promise<string> {
  const path = operationsPath(dir);
  const temporary = `${path}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`;
  const nodeApi = createRequire(import.meta.url).resolve('node-api-headers/package.json');
  // No flag for this machine's instructions: the kernels name theirs, and the CPU is asked first.
  const args = [
    '-std=c++17',
    '-O2',
    '-fPIC',
    '-pthread',
    '-w',
    '-DNAPI_VERSION=8',
    `-I${join(dirname(nodeApi), 'include')}`,
    ...operationSources(),
    ...linkArguments(dir),
    '-o',
    temporary,
  ];
  try {
    await runCompiler(compiler, args, { what: 'the operations', dir, signal });
    const handle = await open(temporary, 'r');
    await handle.sync().finally(() => handle.close());
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  return path;
}
