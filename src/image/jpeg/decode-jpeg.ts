import { DecodeError } from '../decode-error.ts';
import {
  damaged,
  decodeRaw,
  decodeWithSharp,
  type RawPixels,
} from '../formats/decode-with-sharp.ts';
import { checkSize, type PixelOptions, type RgbImage } from '../rgb-image.ts';
import { directDecoder } from './direct-decoder.ts';
import { type JpegHeader, readJpegHeader } from './jpeg-header.ts';

/** Sequential, extended, progressive, and the two with arithmetic codes: the rest libjpeg does not read. */
const FRAMES = [0xc0, 0xc1, 0xc2, 0xc9, 0xca];

/**
 * JPEG with 8 bits a sample and one, three or four components, as Pillow takes it. Where one decoder has refused
 * a file no other is asked.
 * @param use called once; the pixels are valid until it returns
 */
export async function decodeJpeg<T>(
  bytes: Uint8Array,
  options: PixelOptions,
  use: (image: RgbImage) => T,
): Promise<T> {
  const header = readJpegHeader(bytes);
  const { width, height } = header;
  checkSize('JPEG', width, height, options.maxPixels);
  expectReadable(header);
  const decoder = await directDecoder();
  if (suitsDirectPath(header) && width * height <= decoder.maxPixels) {
    const data = decoder.decode(bytes, header);
    if (data === undefined) throw damaged('JPEG');
    return use({ data, width, height });
  }
  const request = { format: 'JPEG', maxPixels: options.maxPixels } as const;
  const image =
    header.components.length === 4
      ? cmykToRgb(await decodeRaw(bytes, { ...request, channels: 'cmyk' }))
      : await decodeWithSharp(bytes, request);
  // libvips looks for warnings before each strip of 8 rows, so it misses those in the last one, unless
  // all scans are read before the first.
  if (isReadAsItIsShown(header) && decoder.judges(header)) {
    const channels = header.components.length === 4 ? 4 : 3;
    const last = await directDecoder();
    if (last.decode(bytes, header, channels) === undefined) throw damaged('JPEG');
  }
  return use(image);
}

function expectReadable({ precision, components, frame }: JpegHeader): void {
  if (!FRAMES.includes(frame)) {
    throw new DecodeError(
      'unsupported_format',
      `Expected a baseline or progressive JPEG but found a lossless or hierarchical one (frame 0x${frame.toString(16)}).`,
    );
  }
  if (precision !== 8) {
    throw new DecodeError(
      'unsupported_color',
      `Expected a JPEG with 8 bits a sample but found ${precision}.`,
    );
  }
  const channels = components.length;
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw new DecodeError(
      'unsupported_color',
      `Expected a JPEG with 1, 3 or 4 components but found ${channels}.`,
    );
  }
}

/** One sequential scan with all components. */
function isReadAsItIsShown({ frame, scans, scanComponents, components }: JpegHeader): boolean {
  const isProgressive = frame === 0xc2 || frame === 0xca;
  return !isProgressive && scans === 1 && scanComponents === components.length;
}

/**
 * Pillow's CMYK -> RGB (`cmyk2rgb` of its Convert.c), no colour management: each channel is
 * (255 - k) - round(ink * (255 - k) / 255). For JPEG libvips has turned Adobe's inverted ink values
 * over already, with or without Adobe's marker, as Pillow does.
 *
 * @param raw uint8 [height, width, 4], 0 = no ink
 */
export function cmykToRgb({ data, width, height }: RawPixels): RgbImage {
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0, o = 0; o < rgb.length; i += 4, o += 3) {
    const light = 255 - data[i + 3];
    rgb[o] = light - scaleByte(data[i], light);
    rgb[o + 1] = light - scaleByte(data[i + 1], light);
    rgb[o + 2] = light - scaleByte(data[i + 2], light);
  }
  return { data: rgb, width, height };
}

/** a * b / 255, rounded: Pillow's MULDIV255. */
function scaleByte(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/**
 * Whether a direct decoder gives exactly the pixels of Pillow's libjpeg-turbo for this file, whatever its size.
 *
 * It does for sequential Huffman-coded gray and YCbCr. The one in WebAssembly lacks the smooth vertical upsampling of
 * chroma that is halved in height only (4:4:0), and its smoothing of incomplete progressive files
 * is older: those, and all that is rare, go to sharp. One limit is left: where damaged data still
 * read as valid codes, coefficients leave the range of an image, and there libjpeg-turbo's own
 * scalar and SIMD code differ. Such a file gives a garbled row with WebAssembly as with Pillow, but not the
 * same one.
 */
export function suitsDirectPath(header: JpegHeader): boolean {
  if (header.precision !== 8 || (header.frame !== 0xc0 && header.frame !== 0xc1)) return false;
  // One scan with all components is decoded in one bounded sweep.
  if (header.scans !== 1 || header.scanComponents !== header.components.length) return false;
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
