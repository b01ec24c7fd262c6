import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { DirectDecoder } from './direct-decoder.ts';
import type { JpegHeader } from './jpeg-header.ts';

/** Above this sharp's SIMD code is faster than the WebAssembly one (measured: equal near 300 x 300). */
const MAX_PIXELS = 256 * 256;

/** libjpeg-turbo 3 in WebAssembly, scalar: a 100 x 100 JPEG takes 0.2 ms, by sharp 0.7 ms. */
export async function openWasmJpeg(): Promise<DirectDecoder> {
  opening ??= openCodec();
  return new WasmJpeg(await (await opening)());
}

class WasmJpeg implements DirectDecoder {
  readonly maxPixels = MAX_PIXELS;
  isSpent = false;
  readonly #codec: Codec;

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  /**
   * It is slow, so only those whose last strip libvips reads unseen: with chroma at half height the strip before
   * has been smoothed by the rows of the last one. It knows neither CMYK nor arithmetic codes.
   */
  judges({ frame, height, components }: JpegHeader): boolean {
    const isSmoothed = components.length > 1 && components.some(({ vertical }) => vertical > 1);
    const isUnseen = height <= 8 || !isSmoothed;
    return isUnseen && components.length !== 4 && frame < 0xc9;
  }

  decode(
    bytes: Uint8Array,
    { width, height }: { readonly width: number; readonly height: number },
  ): Uint8Array | undefined {
    // Its memory never shrinks: one that has decoded a large picture is not kept.
    if (width * height > MAX_PIXELS) this.isSpent = true;
    try {
      this.#codec.getEncodedBuffer(bytes.length).set(bytes);
      this.#codec.decode();
      return asRgb(this.#codec.getDecodedBuffer(), width * height);
    } catch {
      // It ends failures and warnings alike by throwing an exception from inside its code, and what it had
      // allocated is lost: the instance is not used again.
      this.isSpent = true;
      return undefined;
    }
  }
}

/** What the package's JavaScript offers; it declares no types. */
interface Codec {
  /** Room for the file, in WebAssembly's memory. */
  getEncodedBuffer(bytes: number): Uint8Array;
  decode(): void;
  /** A view of [height, width, 3], or of [height, width] for gray, until the next call. */
  getDecodedBuffer(): Uint8ClampedArray;
}

let opening: Promise<() => Promise<Codec>> | undefined;

async function openCodec(): Promise<() => Promise<Codec>> {
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

/** Undefined where the size is not the header's. */
function asRgb(decoded: Uint8ClampedArray, pixels: number): Uint8Array | undefined {
  if (decoded.length === 3 * pixels) {
    return new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.length);
  }
  if (decoded.length !== pixels) return undefined;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0, o = 0; o < rgb.length; i++, o += 3) {
    rgb[o] = rgb[o + 1] = rgb[o + 2] = decoded[i];
  }
  return rgb;
}
