import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { PixelOptions, RgbImage } from '../rgb-image.ts';
import type { JpegHeader } from './jpeg-header.ts';

/** Above this sharp's SIMD code beats the WebAssembly one (measured: they meet near 300 x 300). */
const MAX_DIRECT_PIXELS = 256 * 256;

/**
 * Whether the WebAssembly decoder (libjpeg-turbo 3, scalar) gives exactly the pixels of libjpeg-turbo
 * for this file.
 *
 * It does for sequential Huffman-coded gray and YCbCr. It lacks the smooth vertical upsampling of
 * chroma that is halved in height only (4:4:0), and its smoothing of incomplete progressive files
 * is older: those, and all that is rare, go to sharp. One limit is left: where damaged data still
 * read as valid codes, coefficients leave the range of an image, and there libjpeg-turbo's own
 * scalar and SIMD code differ. Such a file gives a garbled row here as with Pillow, but not the
 * same one.
 */
export function suitsDirectPath(header: JpegHeader, options: PixelOptions): boolean {
  if (header.width * header.height > MAX_DIRECT_PIXELS) return false;
  if (header.precision !== 8 || (header.frame !== 0xc0 && header.frame !== 0xc1)) return false;
  // One scan with all components is decoded in one bounded sweep.
  if (header.scans !== 1 || header.scanComponents !== header.components.length) return false;
  if (options.exif === 'apply' && header.hasExif) return false;
  if (header.components.length === 1) return true;
  if (header.components.length !== 3) return false;
  const isYcc =
    header.adobeTransform === undefined
      ? header.hasJfif || header.components.every(({ id }, i) => id === i + 1)
      : header.adobeTransform === 1;
  const [luma, ...chroma] = header.components;
  const isPlainChroma = chroma.every((c) => c.horizontal === 1 && c.vertical === 1);
  const luma16 = luma.horizontal * 16 + luma.vertical;
  return isYcc && isPlainChroma && (luma16 === 0x11 || luma16 === 0x21 || luma16 === 0x22);
}

/**
 * Decodes without sharp's set-up cost (0.15 ms against 1.2 ms for 100 x 100). Returns undefined when
 * the decoder fails or warns: sharp then gives the verdict and the message.
 */
export async function decodeJpegDirectly(
  bytes: Uint8Array,
  { width, height }: Pick<JpegHeader, 'width' | 'height'>,
): Promise<RgbImage | undefined> {
  const decoder = spare ?? (await createDecoder());
  spare = undefined;
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const decoded = decoder.getDecodedBuffer();
    const data = toRgb(decoded, width * height);
    spare = decoder;
    return data && { data, width, height };
  } catch {
    // It ends failures and warnings alike by throwing out of the middle of its stack, and what it had
    // allocated is lost: the instance is not used again.
    return undefined;
  }
}

/** What the package's JavaScript offers; it declares no types. */
interface JpegDecoder {
  /** Room for the file, in WebAssembly's memory. */
  getEncodedBuffer(bytes: number): Uint8Array;
  decode(): void;
  /** A view of [height, width, 3], or of [height, width] for gray, until the next call. */
  getDecodedBuffer(): Uint8Array;
}

/** An instance that nobody is using. Calls do not wait while they use one, so there is one at most. */
let spare: JpegDecoder | undefined;
let opening: Promise<() => Promise<JpegDecoder>> | undefined;

async function createDecoder(): Promise<JpegDecoder> {
  opening ??= openCodec();
  return (await opening)();
}

async function openCodec(): Promise<() => Promise<JpegDecoder>> {
  const require = createRequire(import.meta.url);
  const codec = require('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs');
  const file = require.resolve('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm');
  const module = await WebAssembly.compile(await readFile(file));
  const instantiateWasm = (
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance) => void,
  ) => {
    const instance = new WebAssembly.Instance(module, imports);
    done(instance);
    return instance.exports;
  };
  const silent = () => {};
  return async () => {
    const { JPEGDecoder } = await codec({ instantiateWasm, print: silent, printErr: silent });
    return new JPEGDecoder();
  };
}

/** A copy as RGB, or undefined where the size is not the header's. */
function toRgb(decoded: Uint8Array, pixels: number): Uint8Array | undefined {
  if (decoded.length === 3 * pixels) return new Uint8Array(decoded);
  if (decoded.length !== pixels) return undefined;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0, o = 0; o < rgb.length; i++, o += 3) {
    rgb[o] = rgb[o + 1] = rgb[o + 2] = decoded[i];
  }
  return rgb;
}
