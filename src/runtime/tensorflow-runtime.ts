/** One TensorFlow library that tfjs-node can run on, and how it is recorded on disk. */

export const TENSORFLOW_VERSION = '2.21.0';

export type RuntimeKind = 'cpu' | 'gpu';

export interface TensorFlowRuntime {
  /** `gpu`: the CUDA library, which computes on the CPU when no GPU is there. */
  readonly kind: RuntimeKind;
  /** Absolute path of its folder. */
  readonly dir: string;
  /** Absolute path of the addon `tfjs_binding.node`. */
  readonly bindingPath: string;
  /** Version of TensorFlow's library, e.g. "2.21.0". */
  readonly tensorflow: string;
  /** Folder of an installed `@tensorflow/tfjs-node-gpu`, when that is what runs. */
  readonly packageDir?: string;
  /** Absolute path of our own operations (operations.ts) where they are built. */
  readonly operationsPath?: string;
  /** Folders of CUDA's libraries that the dynamic loader does not search by itself. */
  readonly libraryDirs?: readonly string[];
}

/**
 * The environment of a process that loads the library. The loader reads LD_LIBRARY_PATH when a process starts, and
 * TensorFlow's own search path lacks some of NVIDIA's folders; what the user put there goes first.
 */
export function libraryEnvironment(
  libraryDirs: readonly string[] = [],
  env: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const dirs = [env.LD_LIBRARY_PATH, ...libraryDirs].filter(Boolean);
  return dirs.length === 0 ? env : { ...env, LD_LIBRARY_PATH: dirs.join(':') };
}
