import { DecodeError } from '../decode-error.ts';
import { decodeRaw, decodeWithSharp, type RawPixels } from '../formats/decode-with-sharp.ts';
import { checkSize, type PixelOptions, type RgbImage } from '../rgb-image.ts';
import { readJpegHeader } from './jpeg-header.ts';
import { directDecoder } from './open-direct-decoder.ts';
import { suitsDirectPath } from './suits-direct-path.ts';

/**
 * JPEG with 8 bits a sample and one, three or four components, as Pillow takes it.
 * @param use called once; the pixels are valid until it returns
 */
export async function decodeJpeg<T>(
  bytes: Uint8Array,
  options: PixelOptions,
  use: (image: RgbImage) => T,
): Promise<T> {
  const header = readJpegHeader(bytes);
  checkSize('JPEG', header.width, header.height, options.maxPixels);
  if (header.precision !== 8) {
    throw new DecodeError(
      'unsupported_color',
      `Expected a JPEG with 8 bits a sample but found ${header.precision}.`,
    );
  }
  const channels = header.components.length;
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw new DecodeError(
      'unsupported_color',
      `Expected a JPEG with 1, 3 or 4 components but found ${channels}.`,
    );
  }
  if (suitsDirectPath(header, options)) {
    const decoder = await directDecoder();
    const { width, height } = header;
    const data = width * height > decoder.maxPixels ? undefined : decoder.decode(bytes, header);
    if (data !== undefined) return use({ data, width, height });
  }
  const request = {
    format: 'JPEG',
    maxPixels: options.maxPixels,
    autoOrient: options.exif === 'apply',
  } as const;
  if (channels !== 4) return use(await decodeWithSharp(bytes, request));
  return use(cmykToRgb(await decodeRaw(bytes, { ...request, cmyk: true })));
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
