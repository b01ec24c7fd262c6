/** Our own TensorFlow operations (native/), compiled into a runtime that is installed or being made. */
import { operationSources, operationsPath } from '../operations.ts';
import { type AddonTarget, type Compiler, linkArguments } from './compile-addon.ts';
import { compileNative } from './compile-native.ts';

/**
 * Builds the file that `operationsPath` names, whole or not at all.
 * @returns its path
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
