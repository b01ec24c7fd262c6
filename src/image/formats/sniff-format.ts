/** What a file is by its first bytes; extensions can be wrong. */
export type SniffedFormat =
  | { readonly kind: 'jpeg' | 'png' | 'gif' | 'webp' | 'bmp' | 'tiff' }
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
