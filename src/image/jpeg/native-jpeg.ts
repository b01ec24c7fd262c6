import { fileURLToPath } from 'node:url';
import { type LoadedAddon, loadAddon, PLATFORM } from '../../runtime/addons.ts';
import type { DirectDecoder } from './direct-decoder.ts';

/** Larger pictures get a buffer of their own, so that one of them does not stay in memory. */
const KEPT_BYTES = 16 << 20;

/** What native/jpeg/addon.cc exports. */
interface JpegAddon {
  /** Once in each thread. @throws Error where the library cannot be used */
  open(libraryPath: string): void;
  /** Fills `pixels`, uint8 [height, width, channels]; false where the file fails, warns or has another size. */
  decode(
    jpeg: Uint8Array,
    pixels: Uint8Array,
    width: number,
    height: number,
    channels: number,
  ): boolean;
}

/** As scripts/bundle-libjpeg.mjs leaves it. */
const LIBRARY = fileURLToPath(
  new URL(`../../../dist/vendor/libjpeg-turbo/${PLATFORM}/libturbojpeg.so.0`, import.meta.url),
);

let loaded: LoadedAddon<JpegAddon> | undefined;

/** Why JPEGs are decoded by WebAssembly; undefined when they are not. */
export function whyNoNativeJpeg(): string | undefined {
  return load().why;
}

/**
 * libjpeg-turbo 3 compiled for this processor, vectors and all: a 100 x 100 JPEG takes 0.07 ms, in WebAssembly 0.2.
 * @returns undefined where it is not available
 */
export function openNativeJpeg(): DirectDecoder | undefined {
  const { addon } = load();
  if (addon === undefined) return undefined;
  let kept = new Uint8Array(0);
  return {
    maxPixels: Number.POSITIVE_INFINITY,
    isSpent: false,
    judges: () => true,
    decode(bytes, { width, height }, channels = 3) {
      const size = channels * width * height;
      const pixels = size <= kept.length ? kept : new Uint8Array(size);
      if (size <= KEPT_BYTES) kept = pixels;
      const isSound = addon.decode(bytes, pixels, width, height, channels);
      return isSound ? pixels.subarray(0, size) : undefined;
    },
  };
}

function load(): LoadedAddon<JpegAddon> {
  loaded ??= loadAddon<JpegAddon>('jpeg', (addon) => void addon.open(LIBRARY));
  return loaded;
}
