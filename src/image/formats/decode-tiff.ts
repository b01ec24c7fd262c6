import { DecodeError } from '../decode-error.ts';
import { cmykToRgb } from '../jpeg/decode-jpeg.ts';
import { checkSize, type PixelOptions, type RgbImage } from '../rgb-image.ts';
import { decodeRaw, decodeWithSharp } from './decode-with-sharp.ts';
import { unblockTiff } from './load-sharp.ts';
import { readTiffHeader, type TiffHeader } from './tiff-header.ts';

const PHOTOMETRIC = { whiteIsZero: 0, blackIsZero: 1, rgb: 2, palette: 3, cmyk: 5, ycbcr: 6 };
const JPEG_COMPRESSION = 7;

/**
 * TIFF, first page, only where the user asked for it: 1-bit and 8-bit gray, palette, RGB and CMYK
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
  const problem = whyUnsupported(header);
  if (problem !== undefined) {
    throw new DecodeError(
      'unsupported_color',
      `Expected a TIFF in 8-bit gray, palette, RGB or CMYK but found ${problem}.`,
    );
  }
  await unblockTiff();
  const request = { format: 'TIFF', maxPixels: options.maxPixels, autoOrient: true } as const;
  if (header.photometric !== PHOTOMETRIC.cmyk) return decodeWithSharp(bytes, request);
  return cmykToRgb(await decodeRaw(bytes, { ...request, cmyk: true }));
}

function whyUnsupported(header: TiffHeader): string | undefined {
  const { photometric, bitsPerSample, samples, extraSample, sampleFormat, compression } = header;
  const isGray = photometric === PHOTOMETRIC.whiteIsZero || photometric === PHOTOMETRIC.blackIsZero;
  const isOneBit = isGray && samples === 1 && bitsPerSample.every((bits) => bits === 1);
  if (!isOneBit && bitsPerSample.some((bits) => bits !== 8)) {
    return `${bitsPerSample.join(', ')} bits a sample`;
  }
  if (sampleFormat !== 1) return 'samples that are not unsigned integers';
  const colors =
    isGray || photometric === PHOTOMETRIC.palette ? 1 : photometric === PHOTOMETRIC.cmyk ? 4 : 3;
  const isYcc = photometric === PHOTOMETRIC.ycbcr && compression === JPEG_COMPRESSION;
  if (!isGray && !isYcc && ![2, 3, 5].includes(photometric)) return `colour space ${photometric}`;
  if (samples !== colors && samples !== colors + 1) return `${samples} samples a pixel`;
  // 1 = multiplied by alpha, which Pillow undoes with its own rounding.
  if (samples > colors && extraSample === 1) return 'colours multiplied by alpha';
  if (samples > colors && photometric === PHOTOMETRIC.cmyk) return 'CMYK with an extra channel';
  return undefined;
}
