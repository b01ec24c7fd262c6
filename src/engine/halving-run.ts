import type { Network } from './network.ts';
import { saysOutOfMemory } from './out-of-memory.ts';
import { runInSlices } from './run-in-slices.ts';

/**
 * Runs batches, in parts where memory does not hold a whole one: after each out-of-memory the batch
 * runs again in parts of half as many images, and so do all batches after it.
 *
 * The last bits of a row can depend on how many images run with it (other kernels, other orders of
 * summation): rows computed in parts may differ there from those of an undisturbed run.
 */
export class HalvingRun {
  #most: number | undefined;

  /** Most images at once since memory ran out; undefined while it never did. */
  get most(): number | undefined {
    return this.#most;
  }

  /** As the network's `run`. @throws what it throws, out of memory too where one image alone is too much */
  run(network: Network, pixels: Uint8Array, n: number, features: readonly Float32Array[]): number {
    for (;;) {
      const images = Math.min(n, this.#most ?? n);
      try {
        return runInSlices(pixels, n, features, images, (...part) => network.run(...part));
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (images === 1 || !saysOutOfMemory(message)) throw error;
        this.#most = Math.ceil(images / 2);
      }
    }
  }
}
