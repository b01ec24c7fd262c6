/**
 * tfjs, its WebAssembly backend and tfjs-node's JavaScript: one file that the build makes
 * (scripts/bundle-tensorflow.mjs). Nothing of it runs before it is called.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RuntimeError } from '../errors.ts';
import type { TensorFlowRuntime } from './tensorflow-runtime.ts';
import { addKerasLayers } from './tfjs-layers.ts';
import { expectTrusted } from './trusted-code.ts';

/** The namespace of `@tensorflow/tfjs`, without its WebGL backend, converter and data. */
export type Tfjs = typeof import('@tensorflow/tfjs');
/** The namespace of `@tensorflow/tfjs-node`: all of tfjs plus `tf.node`. */
export type TfNode = typeof import('@tensorflow/tfjs-node');

interface Bundle {
  tfjs(): Tfjs;
  wasm(): typeof import('@tensorflow/tfjs-backend-wasm');
  /** Loads the addon at that path; a second call gives the same. */
  tfjsNode(addonPath: string): TfNode;
}

/** Holds the three `.wasm` files of the WebAssembly backend. */
export const TENSORFLOW_JS_DIR = fileURLToPath(
  new URL('../../dist/vendor/tensorflow', import.meta.url),
);

/** The C++ sources of tfjs-node's addon. */
export const ADDON_SOURCES = join(TENSORFLOW_JS_DIR, 'binding');

/** @throws RuntimeError when the build was not finished */
export function tensorflowJs(): Bundle {
  const path = join(TENSORFLOW_JS_DIR, 'tensorflow.cjs');
  if (!existsSync(path)) {
    throw new RuntimeError(`Expected tfjs at ${path} but found nothing.`, {
      fix: 'In a checkout run `npm run build`; else install the package again.',
    });
  }
  const bundle = createRequire(import.meta.url)(path) as Bundle;
  // tfjs-node has the layers of the same tfjs.
  const tfjs = () => addKerasLayers(bundle.tfjs());
  return {
    tfjs,
    wasm: bundle.wasm,
    tfjsNode: (addonPath) => {
      tfjs();
      return bundle.tfjsNode(addonPath);
    },
  };
}

/** Version of tfjs-node, whose addon is compiled and loaded. @throws when the build was not finished */
export function tfjsNodeVersion(): string {
  const path = join(TENSORFLOW_JS_DIR, 'package.json');
  return (createRequire(import.meta.url)(path) as { version: string }).version;
}

export interface LoadOptions {
  /** Hide every GPU from the library, so that the CUDA library computes on the CPU. */
  readonly hideGpu?: boolean;
  /** Threads for one operation; 0 = TensorFlow's choice. */
  readonly threads?: number;
}

/**
 * Loads tfjs-node and its `tensorflow` backend into this process: on the library in the cache, or the user's own package.
 * Call it in one thread of a process of its own (a second load in the process fails), before
 * anything else of TensorFlow: the environment that the library reads at load is set here.
 * @throws RuntimeError when the library or the addon cannot be loaded.
 */
export async function loadTfjsNode(
  runtime: TensorFlowRuntime,
  options: LoadOptions = {},
): Promise<TfNode> {
  const { packageDir, bindingPath } = runtime;
  expectTrusted(runtime.dir);
  setLibraryEnvironment(options);
  restoreUtilFunctions();
  try {
    const tf: TfNode = packageDir
      ? createRequire(import.meta.url)(packageDir)
      : tensorflowJs().tfjsNode(bindingPath);
    await tf.ready();
    return tf;
  } catch (error) {
    throw new RuntimeError(
      `Expected TensorFlow's library in ${dirname(runtime.bindingPath)} to load but found: ${firstLine(error)}`,
      { fix: 'Run `img2features setup --force` to install it again.', cause: error },
    );
  }
}

function setLibraryEnvironment({ hideGpu = false, threads = 0 }: LoadOptions): void {
  const { env } = process;
  // Off by default on CPUs without AVX512, and 1.3 to 1.5 times as fast there.
  env.TF_ENABLE_ONEDNN_OPTS ??= '1';
  // Take GPU memory as needed: other processes use the same card.
  env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  env.TF_CPP_MIN_LOG_LEVEL ??= '1';
  if (threads > 0) {
    env.TF_NUM_INTRAOP_THREADS = String(threads);
    env.OMP_NUM_THREADS = String(threads);
  }
  if (hideGpu) {
    env.CUDA_VISIBLE_DEVICES = '-1';
  } else {
    // The addon keeps the last GPU for tensors while operations run on the first: show it one.
    env.CUDA_VISIBLE_DEVICES = (env.CUDA_VISIBLE_DEVICES ?? '0').split(',', 1)[0];
  }
}

/** Node 23 removed these from `util` and Node 22 warns; tfjs-node 4.22 still calls them. */
function restoreUtilFunctions(): void {
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  util.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  util.isArray = Array.isArray;
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n', 1)[0];
}
