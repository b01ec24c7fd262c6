/**
 * libjpeg-turbo itself, which costs little for each image, where sharp's set-up takes longer than a small JPEG: as an
 * addon, or in WebAssembly.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type LoadedAddon, loadAddon, PLATFORM } from '../../runtime/addons.ts';
import { spreadGray } from '../rgb-image.ts';
import type { JpegHeader } from './jpeg-header.ts';

/** One for each thread; both forms give the same bytes for what `suitsDirectPath` lets through. */
export interface DirectDecoder {
  /** sharp is faster for images of more pixels. */
  readonly maxPixels: number;
  /** It has failed in a way after which it cannot be used again. */
  readonly isSpent: boolean;
  /** Whether it can find damage in a file that sharp decodes, where sharp cannot. */
  judges(header: JpegHeader): boolean;
  /**
   * @param size as the header says
   * @param channels 3 (RGB, the default), or 4 for CMYK
   * @returns uint8 [height, width, channels], valid until the next call; undefined where the decoder fails or
   * warns: that decides, even if another decoder would accept the file
   */
  decode(
    bytes: Uint8Array,
    size: { readonly width: number; readonly height: number },
    channels?: 3 | 4,
  ): Uint8Array | undefined;
}

let opened: Promise<DirectDecoder> | undefined;

/** This thread's decoder: libjpeg-turbo for this processor where `setup` has made it usable, else in WebAssembly. */
export async function directDecoder(): Promise<DirectDecoder> {
  opened ??= open();
  const decoder = await opened;
  if (!decoder.isSpent) return decoder;
  opened = open();
  return opened;
}

async function open(): Promise<DirectDecoder> {
  return openNativeJpeg() ?? (await openWasmJpeg());
}

/** Larger pictures get a buffer of their own, so that one of them does not stay in memory. */
const KEPT_BYTES = 16 << 20;

/** A FileDecoder of native/jpeg/file-decoder.h. */
export interface FileDecoderHandle {
  readonly _: unique symbol;
}

/** What native/jpeg/addon.cc exports; it says what each does. */
export interface JpegAddon {
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
  openFiles(width: number, height: number, maxPixels: number): FileDecoderHandle | undefined;
  addTables(files: FileDecoderHandle, rows: Uint8Array, columns: Uint8Array): void;
  decodeFiles(
    handle: FileDecoderHandle,
    files: readonly (string | Uint8Array)[],
    listed: Float64Array,
    from: number,
    pixels: Uint8Array,
    sizes: Uint32Array,
    state: Int32Array | undefined,
    report: Float64Array,
  ): number;
  listFolder(
    path: string,
  ): { names: string[]; kinds: Uint8Array; states: Float64Array } | undefined;
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

/** This thread's addon; undefined where it is not available. */
export function nativeJpeg(): JpegAddon | undefined {
  return load().addon;
}

/**
 * libjpeg-turbo 3 compiled for this processor, vectors and all: a 100 x 100 JPEG takes 0.07 ms, in WebAssembly 0.2.
 * @returns undefined where it is not available
 */
export function openNativeJpeg(): DirectDecoder | undefined {
  const addon = nativeJpeg();
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
  const bytes = new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.length);
  if (bytes.length === 3 * pixels) return bytes;
  return bytes.length === pixels ? spreadGray(bytes) : undefined;
}
