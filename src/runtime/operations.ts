/**
 * Operations of our own beside TensorFlow's (native/), compiled at set-up into the runtime's folder.
 * The file's name says which sources it was made from: another version of this program makes
 * another file, and one that is there is whole and the right one.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs';
import { addonFileName, nativeSources, requireAddon } from './addons.ts';
import type { PlatformKey } from './runtime-platform.ts';
import type { TfNode } from './tensorflow-js.ts';
import type { TensorFlowRuntime } from './tensorflow-runtime.ts';

/** What native/winograd/addon.cc exports. */
interface OperationsAddon {
  /** What this CPU has of what the kernels are written for, e.g. AVX-512 and AVX2, the fastest first. */
  readonly instructionSets: readonly string[];
  /**
   * @param threads 0 = one for each processor
   * @param set one of `instructionSets`, '' = the fastest
   */
  register(threads: number, set: string): void;
}

/** Their instructions are x86's; and a bundle of this program in one file lacks their sources. */
export function hasOperations(platform: PlatformKey | undefined): boolean {
  return platform === 'linux-x64' && nativeSources('winograd') !== undefined;
}

export function operationSources(): readonly string[] {
  return nativeSources('winograd')?.files ?? [];
}

/** The file's name in this version. */
export function operationsFileName(): string {
  return addonFileName('operations', nativeSources('winograd') ?? { files: [], hash: 'none' });
}

/** Path of the file that this version makes and uses, there or not. */
export function operationsPath(dir: string): string {
  return join(dir, operationsFileName());
}

export async function findOperations(dir: string): Promise<string | undefined> {
  const path = operationsPath(dir);
  return stat(path).then(
    () => path,
    () => undefined,
  );
}

/**
 * Registers the operations with the library, which is loaded already.
 * @param threads 0 = one for each processor
 * @param set of instructions, by its name; default: the fastest that this CPU has. All give the same bits.
 * @returns the set that is used, or why they are not used here
 */
export function loadOperations(
  { operationsPath: path }: TensorFlowRuntime,
  threads: number,
  set?: string,
): { readonly set?: string; readonly why?: string } {
  if (path === undefined) {
    return { why: '`img2features setup` has not built the operations for them here' };
  }
  const { addon, why } = requireAddon<OperationsAddon>(path, (addon) => {
    const { instructionSets: sets } = addon;
    if (sets.length === 0) return 'this CPU lacks AVX2 or FMA';
    addon.register(threads, set ?? '');
    return undefined;
  });
  return addon === undefined ? { why } : { set: set ?? addon.instructionSets[0] };
}

/** What is used of tfjs-node's backend. */
interface NodeBackend {
  readonly binding: { readonly TF_ATTR_BOOL: number };
  executeSingleOutput(op: string, attributes: readonly object[], inputs: readonly Tensor[]): Tensor;
}

/** [3, 3, into, out] -> what `runWinograd` takes. */
export function transformKernel(tf: TfNode, kernel: Tensor4D): Tensor {
  const backend = tf.backend() as unknown as NodeBackend;
  return backend.executeSingleOutput('Img2FeaturesWinogradKernel', [], [kernel]);
}

/** One convolution outside a graph: of images [n, height, width, into], to be measured or tested. */
export function runWinograd(
  tf: TfNode,
  input: Tensor4D,
  transformed: Tensor,
  bias: Tensor1D,
  { relu = false, pool = false } = {},
): Tensor {
  const backend = tf.backend() as unknown as NodeBackend;
  const flag = (name: string, value: boolean) => ({
    name,
    type: backend.binding.TF_ATTR_BOOL,
    value,
  });
  const inputs = [input, transformed, bias];
  const attributes = [flag('relu', relu), flag('pool', pool)];
  return backend.executeSingleOutput('Img2FeaturesWinogradConv2D', attributes, inputs);
}
