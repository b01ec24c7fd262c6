/** The kernels of the PCA as an addon (native/reduce). */
import { type LoadedAddon, loadAddon } from '../../runtime/addons.ts';
import type { Pack, TileKernel } from './tile-kernel.ts';

/** What native/reduce/addon.cc exports; places and steps count elements of the arrays given. */
export interface NativeKernels {
  /** Whether this CPU has the instructions. */
  readonly isSupported: boolean;
  multiply(memory: Float64Array, ...places: Parameters<TileKernel['multiply']>): void;
  pack(floats: Float32Array, doubles: Float64Array, ...places: Parameters<Pack>): void;
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

let loaded: LoadedAddon<NativeKernels> | undefined;

/** The addon, loaded on first use in each thread; undefined where it is not available. */
export function nativeKernels(): NativeKernels | undefined {
  return load().addon;
}

/** Why WebAssembly's kernels are used; undefined when the addon is. */
export function whyNoKernels(): string | undefined {
  return load().why;
}

function load(): LoadedAddon<NativeKernels> {
  loaded ??= loadAddon<NativeKernels>('kernels', ({ isSupported }) =>
    isSupported ? undefined : 'this CPU lacks AVX2',
  );
  return loaded;
}
