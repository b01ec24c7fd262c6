/**
 * The kernels of the PCA as an addon (native/reduce), compiled at set-up into the cache folder. They need no
 * TensorFlow. The file's name says which sources it was made from, as with operations.ts.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { cacheDir } from './cache-dir.ts';
import { type NativeSources, nativeSources } from './native-sources.ts';

/** What native/reduce/addon.cc exports; places and steps count elements of the arrays given. */
export interface NativeKernels {
  /** Whether this CPU has the instructions. */
  readonly isSupported: boolean;
  /** See tile-kernel.ts. */
  multiply(
    memory: Float64Array,
    a: number,
    aStep: number,
    b: number,
    bStep: number,
    bGroupStep: number,
    groups: number,
    depth: number,
    c: number,
    cStep: number,
  ): void;
  /** See panel-kernel.ts. */
  pack(
    floats: Float32Array,
    doubles: Float64Array,
    rows: number,
    rowStep: number,
    count: number,
    shift: number,
    groups: number,
    to: number,
    groupStep: number,
  ): void;
  /** See row-kernel.ts. */
  addRows(
    floats: Float32Array,
    doubles: Float64Array,
    rows: number,
    shift: number,
    vectors: number,
    sums: number,
    n: number,
    quads: number,
    groups: number,
  ): void;
  /** See column-kernel.ts; false when a value is not finite. */
  addColumns(
    rows: Float32Array,
    origin: Float64Array,
    means: Float64Array,
    squares: Float64Array,
    n: number,
    dims: number,
    count: number,
  ): boolean;
}

/** What the addon is made of, where this machine can have it: its instructions are x86's. */
export function kernelSources(): NativeSources | undefined {
  const isPossible = process.platform === 'linux' && process.arch === 'x64';
  return isPossible ? nativeSources('reduce') : undefined;
}

/** The folder in the cache with the addons of this and of other versions. */
export function kernelsDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheDir(env), 'kernels');
}

/** Path of the addon that this version makes and uses, there or not. */
export function kernelsPath({ hash }: NativeSources): string {
  return join(kernelsDir(), `img2features_kernels-${hash}.node`);
}

/** Path of the addon, where it is built. */
export function findKernels(): string | undefined {
  const sources = kernelSources();
  const path = sources && kernelsPath(sources);
  return path !== undefined && existsSync(path) ? path : undefined;
}

interface Loaded {
  readonly kernels?: NativeKernels;
  /** Why there are none. */
  readonly why?: string;
}

let loaded: Loaded | undefined;

/** The addon, loaded on first use in each thread; undefined where it is not to be had. */
export function nativeKernels(): NativeKernels | undefined {
  loaded ??= load();
  return loaded.kernels;
}

/** Why WebAssembly's kernels are used; undefined when the addon is. */
export function whyNoKernels(): string | undefined {
  loaded ??= load();
  return loaded.why;
}

function load(): Loaded {
  if (kernelSources() === undefined) return { why: 'they are for x86-64 on Linux' };
  const path = findKernels();
  if (path === undefined) return { why: '`img2features setup` has not built them here' };
  try {
    const kernels = createRequire(import.meta.url)(path) as NativeKernels;
    return kernels.isSupported ? { kernels } : { why: 'this CPU lacks AVX2' };
  } catch (error) {
    return { why: String(error instanceof Error ? error.message : error).split('\n', 1)[0]! };
  }
}
