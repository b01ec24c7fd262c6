/**
 * Operations of our own beside TensorFlow's (native/), compiled at set-up into the runtime's folder.
 * The file's name says which sources it was made from: another version of this program makes
 * another file, and one that is there is whole and the right one.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { nativeSources, requireAddon } from './addons.ts';
import type { PlatformKey } from './runtime-platform.ts';
import type { TensorFlowRuntime } from './tensorflow-runtime.ts';

/** What native/winograd/addon.cc exports. */
interface OperationsAddon {
  /** Whether this CPU has the instructions. */
  readonly isSupported: boolean;
  /** Whether it has AVX-512, which TensorFlow's kernels use and ours do not. */
  readonly hasWiderRegisters: boolean;
  /** @param threads 0 = one for each processor */
  register(threads: number): void;
}

/** Their instructions are x86's; and a bundle of this program in one file lacks their sources. */
export function hasOperations(platform: PlatformKey | undefined): boolean {
  return platform === 'linux-x64' && nativeSources('winograd') !== undefined;
}

export function operationSources(): readonly string[] {
  return nativeSources('winograd')?.files ?? [];
}

/** Path of the file that this version makes and uses, there or not. */
export function operationsPath(dir: string): string {
  return join(dir, `img2features_operations-${nativeSources('winograd')?.hash}.node`);
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
 * @param options.threads 0 = one for each processor
 * @param options.isAsked by the user, even where they were not measured
 * @returns why they are not used here; undefined when they can be.
 */
export function loadOperations(
  { operationsPath: path }: TensorFlowRuntime,
  { threads, isAsked }: { readonly threads: number; readonly isAsked: boolean },
): string | undefined {
  if (path === undefined) {
    return '`img2features setup` has not built the operations for them here';
  }
  return requireAddon<OperationsAddon>(path, (addon) => {
    if (!addon.isSupported) return 'this CPU lacks AVX2 or FMA';
    if (addon.hasWiderRegisters && !isAsked) {
      return 'this CPU has AVX-512, on which they were never measured (--conv winograd takes them)';
    }
    addon.register(threads);
    return undefined;
  }).why;
}
