import { DecodeError } from '../decode-error.ts';
import { decodeJpeg } from '../jpeg/decode-jpeg.ts';
import type { PixelOptions, RgbImage } from '../rgb-image.ts';
import { decodeBmp } from './decode-bmp.ts';
import { decodeGif } from './decode-gif.ts';
import { decodePng } from './decode-png.ts';
import { decodeTiff } from './decode-tiff.ts';
import { decodeWebp } from './decode-webp.ts';
import { readOrientation, turn } from './orientation.ts';

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

/** What a file is by its first bytes; extensions can be wrong. */
type SniffedFormat =
  | { readonly kind: Supported }
  /** Known, but not decoded here; `name` is for the message. */
  | { readonly kind: 'other'; readonly name: string }
  | { readonly kind: 'unknown' };

type Supported = 'jpeg' | 'png' | 'gif' | 'webp' | 'bmp' | 'tiff';

/** Looks at the magic number only: nothing is parsed. */
export function sniffFormat(bytes: Uint8Array): SniffedFormat {
  // latin1 keeps every byte one character, so signatures can be written as text.
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 64)).toString(
    'latin1',
  );
  for (const [signature, kind] of SUPPORTED) if (head.startsWith(signature)) return { kind };
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') return { kind: 'webp' };
  if (head.startsWith('BM') && BMP_HEADER_SIZES.includes(head.slice(14, 18)))
    return { kind: 'bmp' };
  if (head.slice(4, 8) === 'ftyp') {
    return { kind: 'other', name: FTYP_BRANDS[head.slice(8, 12)] ?? 'ISO media (video or HEIF)' };
  }
  for (const [signature, name] of OTHERS) {
    if (head.startsWith(signature)) return { kind: 'other', name };
  }
  return sniffText(head);
}

const SUPPORTED: readonly (readonly [string, Supported])[] = [
  ['\xff\xd8\xff', 'jpeg'],
  ['\x89PNG\r\n\x1a\n', 'png'],
  ['GIF87a', 'gif'],
  ['GIF89a', 'gif'],
  ['II*\0', 'tiff'],
  ['MM\0*', 'tiff'],
];

/**
 * The sizes a BMP information header can have, little endian: "BM" alone also starts ordinary text.
 */
const BMP_HEADER_SIZES = [12, 16, 40, 52, 56, 64, 108, 124].map(
  (size) => `${String.fromCharCode(size)}\0\0\0`,
);

const FTYP_BRANDS: Readonly<Record<string, string>> = {
  avif: 'AVIF',
  avis: 'AVIF',
  heic: 'HEIC',
  heix: 'HEIC',
  hevc: 'HEIC',
  mif1: 'HEIF',
  msf1: 'HEIF',
  'crx ': 'Canon raw',
};

const OTHERS: readonly (readonly [string, string])[] = [
  ['II+\0', 'BigTIFF'],
  ['MM\0+', 'BigTIFF'],
  ['%PDF', 'PDF'],
  ['%!PS', 'PostScript'],
  ['\0\0\0\x0cJXL ', 'JPEG XL'],
  ['\xff\x0a', 'JPEG XL'],
  ['\0\0\0\x0cjP  ', 'JPEG 2000'],
  ['\xff\x4f\xff\x51', 'JPEG 2000'],
  ['8BPS', 'Photoshop'],
  ['\0\0\x01\0', 'ICO'],
  ['\0\0\x02\0', 'CUR'],
  ['qoif', 'QOI'],
  ['DDS ', 'DDS'],
  ['v/1\x01', 'OpenEXR'],
  ['#?RADIANCE', 'Radiance HDR'],
  ['SIMPLE  =', 'FITS'],
  ['\x08\xf2\xa6\xb6', 'libvips'],
  ['\xb6\xa6\xf2\x08', 'libvips'],
  ['\x89HDF', 'HDF5'],
  ['PK\x03\x04', 'zip'],
  ['\x1f\x8b', 'gzip'],
  ['RIFF', 'RIFF (audio or video)'],
  ['\x1aE\xdf\xa3', 'Matroska video'],
];

function sniffText(head: string): SniffedFormat {
  const text = head.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^<svg[\s>]/i.test(text)) return { kind: 'other', name: 'SVG' };
  if (/^<(!doctype html|html)[\s>]/i.test(text)) return { kind: 'other', name: 'HTML' };
  if (text.startsWith('<?xml')) return { kind: 'other', name: 'XML or SVG' };
  if (/^P[1-7FfH]\s/.test(head)) return { kind: 'other', name: 'PNM' };
  return { kind: 'unknown' };
}
