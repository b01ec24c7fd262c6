import { DecodeError } from '../decode-error.ts';
import { cmykToRgb } from '../jpeg/decode-jpeg.ts';
import { checkSize, type PixelOptions, type RgbImage } from '../rgb-image.ts';
import {
  damaged,
  decodeRaw,
  decodeWithSharp,
  type RawPixels,
  unblockTiff,
} from './decode-with-sharp.ts';
import { orientationOf, turn } from './orientation.ts';
import { keepPixelTags, readTiffHeader, type TiffHeader } from './tiff-header.ts';

const PHOTOMETRIC = { whiteIsZero: 0, blackIsZero: 1, rgb: 2, palette: 3, cmyk: 5, ycbcr: 6 };
const JPEG_COMPRESSION = 7;
const UNCOMPRESSED = 1;
/** Those of the library that comes with sharp: none, CCITT, LZW, JPEG, deflate, PackBits, Zstandard. */
const COMPRESSIONS = [UNCOMPRESSED, 2, 3, 4, 5, JPEG_COMPRESSION, 8, 32773, 32946, 50000];
const NAMES: Readonly<Record<number, string>> = {
  6: 'old-style JPEG',
  34712: 'JPEG 2000',
  34925: 'LZMA',
  50001: 'WebP',
};
/** Colours multiplied by alpha, which Pillow undoes with its own rounding. */
const PREMULTIPLIED = 1;

/**
 * TIFF, first page, only where the user requested it: 1-bit and 8-bit gray, palette, RGB and CMYK
 * with 8 bits a channel. Pillow turns a TIFF by its orientation tag whatever is asked, so this does
 * too.
 */
export async function decodeTiff(bytes: Uint8Array, options: PixelOptions): Promise<RgbImage> {
  if (!options.tiff) {
    throw new DecodeError(
      'unsupported_format',
      'Expected JPEG, PNG, WebP, GIF or BMP but found TIFF, which is decoded only on request.',
    );
  }
  const header = readTiffHeader(bytes);
  checkSize('TIFF', header.width, header.height, options.maxPixels);
  expectCodec(header);
  const problem = whyUnsupported(header);
  if (problem !== undefined) {
    throw new DecodeError(
      'unsupported_color',
      `Expected a TIFF in 8-bit gray, palette, RGB or CMYK but found ${problem}.`,
    );
  }
  await unblockTiff();
  const image = await decodePixels(keepPixelTags(bytes), header, options.maxPixels);
  const { orientation, xmp } = header;
  return turn(image, orientationOf({ orientation, xmp }));
}

async function decodePixels(
  bytes: Uint8Array,
  header: TiffHeader,
  maxPixels: number,
): Promise<RgbImage> {
  const request = { format: 'TIFF', maxPixels } as const;
  if (header.photometric === PHOTOMETRIC.cmyk) {
    return cmykToRgb(await decodeRaw(bytes, { ...request, channels: 'cmyk' }));
  }
  if (!isPremultiplied(header)) return decodeWithSharp(bytes, request);
  return divideByAlpha(await decodeRaw(bytes, { ...request, channels: 'rgba' }));
}

function expectCodec(header: TiffHeader): void {
  const { compression, isTiled, planarConfiguration, samples, parts } = header;
  if (!COMPRESSIONS.includes(compression)) {
    const name = NAMES[compression] ?? `compression ${compression}`;
    throw new DecodeError(
      'unsupported_format',
      `Expected a TIFF with no, LZW, deflate, PackBits, JPEG, CCITT or Zstandard compression but found ${name}.`,
    );
  }
  const isPlanar = planarConfiguration === 2 && samples > 1;
  if (isPlanar && isTiled) {
    throw new DecodeError(
      'unsupported_format',
      'Expected a TIFF with whole pixels in its tiles but found a plane for each channel.',
    );
  }
  const expected =
    Math.ceil(header.width / header.partWidth) *
    Math.ceil(header.height / header.partHeight) *
    (isPlanar ? samples : 1);
  // Of an uncompressed one Pillow writes them over those at the top.
  if (compression === UNCOMPRESSED && parts > expected) {
    throw new DecodeError(
      'corrupt',
      `Expected a TIFF with ${expected} ${isTiled ? 'tiles' : 'strips'} but found ${parts}.`,
    );
  }
}

function whyUnsupported(header: TiffHeader): string | undefined {
  const { photometric, bitsPerSample, samples, sampleFormat, compression, colorMap } = header;
  const isGray = photometric === PHOTOMETRIC.whiteIsZero || photometric === PHOTOMETRIC.blackIsZero;
  const isOneBit = isGray && samples === 1 && bitsPerSample.every((bits) => bits === 1);
  if (!isOneBit && bitsPerSample.some((bits) => bits !== 8)) {
    return `${bitsPerSample.join(', ')} bits a sample`;
  }
  if (sampleFormat !== 1) return 'samples that are not unsigned integers';
  const isPalette = photometric === PHOTOMETRIC.palette;
  const colors = isGray || isPalette ? 1 : photometric === PHOTOMETRIC.cmyk ? 4 : 3;
  const isYcc = photometric === PHOTOMETRIC.ycbcr && compression === JPEG_COMPRESSION;
  if (!isGray && !isYcc && ![2, 3, 5].includes(photometric)) return `colour space ${photometric}`;
  if (samples !== colors && samples !== colors + 1) return `${samples} samples a pixel`;
  // libvips reads them as they were intended.
  if (isPalette && colorMap.every((value) => value < 256)) {
    return 'a palette of 8-bit values, which Pillow reads as black';
  }
  if (samples > colors && photometric === PHOTOMETRIC.cmyk) return 'CMYK with an extra channel';
  if (isPremultiplied(header) && photometric !== PHOTOMETRIC.rgb) {
    return 'other colours than RGB multiplied by alpha';
  }
  return undefined;
}

function isPremultiplied({ samples, extraSample, photometric }: TiffHeader): boolean {
  const colors = photometric === PHOTOMETRIC.rgb || photometric === PHOTOMETRIC.ycbcr ? 3 : 1;
  return samples > colors && photometric !== PHOTOMETRIC.cmyk && extraSample === PREMULTIPLIED;
}

/** Pillow's: rounded down and at most 255; without alpha black. */
function divideByAlpha({ data, width, height, channels }: RawPixels): RgbImage {
  if (channels !== 4) throw damaged('TIFF');
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0, o = 0; o < rgb.length; i += 4, o += 3) {
    const alpha = data[i + 3];
    if (alpha === 0) continue;
    rgb[o] = Math.min(255, Math.trunc((data[i] * 255) / alpha));
    rgb[o + 1] = Math.min(255, Math.trunc((data[i + 1] * 255) / alpha));
    rgb[o + 2] = Math.min(255, Math.trunc((data[i + 2] * 255) / alpha));
  }
  return { data: rgb, width, height };
}
