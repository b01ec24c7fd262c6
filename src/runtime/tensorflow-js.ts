/**
 * tfjs, its WebAssembly backend and tfjs-node's JavaScript: one file that the build makes
 * (scripts/bundle-tensorflow.mjs). Nothing of it runs before it is called.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RuntimeError } from '../errors.ts';

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
  return createRequire(import.meta.url)(path) as Bundle;
}

/** Version of tfjs-node, whose addon is compiled and loaded. @throws when the build was not finished */
export function tfjsNodeVersion(): string {
  const path = join(TENSORFLOW_JS_DIR, 'package.json');
  return (createRequire(import.meta.url)(path) as { version: string }).version;
}
