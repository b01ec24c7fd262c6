import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { JpegHeader } from './jpeg-header.ts';
import type { PixelOptions, RgbImage } from './rgb-image.ts';

/** Above this sharp's SIMD code beats the WebAssembly one (measured: they meet near 250 x 250). */
const MAX_DIRECT_PIXELS = 256 * 256;

/**
 * Whether the WebAssembly decoder (mozjpeg 3.3, scalar) gives exactly the pixels of libjpeg-turbo
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
 * Decodes without sharp's set-up cost (0.2 ms against 1.2 ms for 100 x 100). Returns undefined when
 * the decoder fails or warns: sharp then gives the verdict and the message.
 */
export async function decodeJpegDirectly(bytes: Uint8Array): Promise<RgbImage | undefined> {
  decoder ??= openDecoder();
  const { decode, reset } = await decoder;
  const before = complaints;
  try {
    // The declared type wants an ArrayBuffer; the binding copies from any byte view.
    const { data, width, height } = await decode(bytes as unknown as ArrayBuffer);
    if (complaints !== before) return undefined;
    return { data: dropFourth(data, width * height), width, height };
  } catch {
    // libjpeg ended by exit(): what it had allocated is lost with the instance.
    await reset();
    return undefined;
  }
}

let decoder: ReturnType<typeof openDecoder> | undefined;
/** Lines that libjpeg wanted to print; never reset, so that calls may overlap. */
let complaints = 0;

async function openDecoder() {
  const { default: decode, init } = await import('@jsquash/jpeg/decode.js');
  const { resolve } = createRequire(import.meta.url);
  const file = resolve('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
  const module = await WebAssembly.compile(await readFile(file));
  const complain = () => {
    complaints++;
  };
  const instantiateWasm = (
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance) => void,
  ) => {
    const instance = new WebAssembly.Instance(module, imports);
    done(instance);
    return instance.exports;
  };
  // Its declared options lack print and printErr, and have another type for `done`.
  const overrides = { instantiateWasm, print: complain, printErr: complain } as object;
  const reset = () => init(overrides);
  await reset();
  return { decode, reset };
}

function dropFourth(rgba: Uint8ClampedArray, pixels: number): Uint8Array {
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0, o = 0; o < rgb.length; i += 4, o += 3) {
    rgb[o] = rgba[i];
    rgb[o + 1] = rgba[i + 1];
    rgb[o + 2] = rgba[i + 2];
  }
  return rgb;
}
