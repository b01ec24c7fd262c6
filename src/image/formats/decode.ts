import { DecodeError } from '../decode-error.ts';
import { decodeJpeg } from '../jpeg/decode-jpeg.ts';
import type { PixelOptions, RgbImage } from '../rgb-image.ts';
import { decodeBmp } from './decode-bmp.ts';
import { decodeGif } from './decode-gif.ts';
import { decodePng } from './decode-png.ts';
import { decodeTiff } from './decode-tiff.ts';
import { decodeWebp } from './decode-webp.ts';
import { readOrientation, turn } from './orientation.ts';
import { sniffFormat } from './sniff-format.ts';

/**
 * Turns a file's bytes into what Pillow's `Image.open(file).convert('RGB')` gives, bit for bit, or
 * says why not.
 *
 * The format is read from the content. Rules: alpha is dropped, not composited; palettes are
 * expanded; 16-bit colour keeps its high byte; CMYK is turned by Pillow's plain formula; colour
 * profiles are ignored; of an animation the first frame is taken; EXIF orientation is ignored
 * unless requested. What is rejected although Pillow reads it: docs/parity.md.
 *
 * @returns uint8 RGB [height, width, 3]
 * @throws DecodeError with a RejectReason; nothing else for any bytes
 */
export function decodeImage(bytes: Uint8Array, options: PixelOptions): Promise<RgbImage> {
  return withImage(bytes, options, ({ data, ...size }) => ({ data: data.slice(), ...size }));
}

/**
 * The same without a copy: `use` is called once, and its result is returned. The pixels may be in a
 * decoder's own memory: they are valid until `use` returns.
 */
export async function withImage<T>(
  bytes: Uint8Array,
  options: PixelOptions,
  use: (image: RgbImage) => T,
): Promise<T> {
  if (bytes.length === 0)
    throw new DecodeError('empty_file', 'Expected an image but found 0 bytes.');
  const format = sniffFormat(bytes);
  const turned = (image: RgbImage) =>
    use(options.exif === 'apply' ? turn(image, readOrientation(format.kind, bytes)) : image);
  switch (format.kind) {
    case 'jpeg':
      return decodeJpeg(bytes, options, turned);
    case 'png':
      return turned(await decodePng(bytes, options));
    case 'webp':
      return turned(await decodeWebp(bytes, options));
    case 'gif':
      return use(await decodeGif(bytes, options));
    case 'bmp':
      return use(await decodeBmp(bytes, options));
    case 'tiff':
      return use(await decodeTiff(bytes, options));
    case 'other':
      throw new DecodeError(
        'unsupported_format',
        `Expected JPEG, PNG, WebP, GIF or BMP but found ${format.name}.`,
      );
    case 'unknown':
      throw new DecodeError(
        'not_an_image',
        'Expected JPEG, PNG, WebP, GIF or BMP but found no known image signature.',
      );
  }
}
