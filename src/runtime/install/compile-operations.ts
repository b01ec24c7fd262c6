/** Our own TensorFlow operations (native/), compiled into a runtime that is installed or being made. */
import { operationSources, operationsPath } from '../operations.ts';
import { type Compiler, linkArguments } from './compile-addon.ts';
import { compileNative } from './compile-native.ts';

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
  const args = ['-pthread', ...linkArguments(dir)];
  const target = { sources: operationSources(), path, what: 'the operations', args };
  await compileNative(target, compiler, signal);
  return path;
}
