/** The addon with the kernels of the PCA: one compiler call, and nothing else has to be there. */
import { mkdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors.ts';
import { findKernels, kernelSources, kernelsDir, kernelsPath } from '../kernels.ts';
import { findCompiler } from './compile-addon.ts';
import { compileNative } from './compile-native.ts';
import { type OnStep, reportStep } from './setup-step.ts';

export interface KernelOptions {
  /** Compile again even when the addon is there. */
  readonly force?: boolean | undefined;
  readonly onStep?: OnStep | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes sure that the addon is in the cache folder, where this machine can have it. A PCA gives the same bits without it.
 * @returns why it could not be built: WebAssembly's kernels go on then
 */
export async function installKernels({
  force = false,
  onStep,
  signal,
}: KernelOptions): Promise<string | undefined> {
  const sources = kernelSources();
  if (sources === undefined || (!force && findKernels() !== undefined)) return undefined;
  const path = kernelsPath(sources);
  const target = {
    sources: sources.files,
    path,
    what: 'the kernels',
    // Their bits are WebAssembly's, which has no fused multiply-add.
    args: ['-ffp-contract=off', '-shared'],
  };
  try {
    const compiler = await findCompiler();
    await mkdir(kernelsDir(), { recursive: true });
    await reportStep(
      onStep,
      'compile',
      'kernels of the PCA for the CPU',
      () => compileNative(target, compiler, signal),
      () => basename(path),
    );
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    // A folder that cannot be written is what the runtime's install tells with its fix.
    if (error instanceof RuntimeError || errnoOf(error) !== undefined)
      return (error as Error).message;
    throw error;
  }
}
