import { inflateSync } from 'node:zlib';
import { DecodeError } from '../decode-error.ts';
import type { RgbImage } from '../rgb-image.ts';
import { readDirectory } from './tiff-header.ts';

const ORIENTATION = 0x0112;
/** Pillow does not read longer text from a PNG. */
const MOST_TEXT_BYTES = 2 ** 20;

/** Where the two kinds of metadata that name an orientation are; each may be missing. */
interface Metadata {
  /** A TIFF without pictures. */
  exif?: Uint8Array;
  xmp?: Uint8Array;
}

/** 1 to 8, as `ImageOps.exif_transpose` of Pillow finds it in a JPEG, PNG or WebP. */
export function readOrientation(kind: string, bytes: Uint8Array): number {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const reader = READERS[kind];
  if (reader === undefined) return 1;
  const { exif, xmp } = reader(file);
  return orientationOf({ orientation: exif && fromExif(exif), xmp });
}

/** 1 to 8: what EXIF or a TIFF's own tag says, else what XMP says. */
export function orientationOf({
  orientation,
  xmp,
}: {
  readonly orientation: number | undefined;
  readonly xmp: Uint8Array | undefined;
}): number {
  const said = orientation ?? (xmp && fromXmp(xmp)) ?? 1;
  return said >= 1 && said <= 8 ? said : 1;
}

/** Metadata that cannot be read do not turn the image. */
function fromExif(exif: Uint8Array): number | undefined {
  try {
    return readDirectory(exif).numbers(ORIENTATION)[0];
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function fromXmp(xmp: Uint8Array): number | undefined {
  const text = Buffer.from(xmp.buffer, xmp.byteOffset, xmp.length).toString('latin1');
  const digit = /tiff:Orientation(?:="|>)([0-9])/.exec(text)?.[1];
  return digit === undefined ? undefined : Number(digit);
}

const READERS: Readonly<Record<string, (file: Buffer) => Metadata>> = {
  jpeg: (file) => {
    const found: Metadata = {};
    for (let at = 2; at + 4 <= file.length && file[at + 1] !== 0xda; ) {
      if (file[at + 1] === 0xff) {
        at++;
        continue;
      }
      const end = at + 2 + file.readUInt16BE(at + 2);
      const body = file.subarray(at + 4, end);
      if (file[at + 1] === 0xe1 && startsWith(body, 'Exif\0\0')) found.exif ??= body.subarray(6);
      else if (file[at + 1] === 0xe1 && startsWith(body, 'http://ns.adobe.com/xap/1.0/\0')) {
        found.xmp = body.subarray(29);
      }
      at = end;
    }
    return found;
  },
  png: (file) => {
    const found: Metadata = {};
    let profile: Buffer | undefined;
    for (let at = 8; at + 12 <= file.length; ) {
      const end = at + 8 + file.readUInt32BE(at);
      const type = file.toString('latin1', at + 4, at + 8);
      const body = file.subarray(at + 8, end);
      if (type === 'eXIf') found.exif = body;
      else if (type === 'iTXt' && startsWith(body, 'XML:com.adobe.xmp\0')) found.xmp = textOf(body);
      else if (/^[izt](TXt|EXt)$/.test(type) && startsWith(body, 'Raw profile type exif\0')) {
        profile = textOf(body, type);
      } else if (type === 'IEND') break;
      at = end + 4;
    }
    if (profile !== undefined) found.exif ??= fromRawProfile(profile);
    return found;
  },
  webp: (file) => {
    const found: Metadata = {};
    for (let at = 12; at + 8 <= file.length; ) {
      const end = at + 8 + file.readUInt32LE(at + 4);
      const type = file.toString('latin1', at, at + 4);
      const body = file.subarray(at + 8, end);
      if (type === 'EXIF') found.exif ??= startsWith(body, 'Exif\0\0') ? body.subarray(6) : body;
      else if (type === 'XMP ') found.xmp ??= body;
      at = end + (end % 2);
    }
    return found;
  },
};

/** What follows the keyword of a text chunk, unpacked; undefined where that cannot be done. */
function textOf(body: Buffer, type = 'iTXt'): Buffer | undefined {
  let at = body.indexOf(0) + 1;
  if (type === 'tEXt') return body.subarray(at);
  let isPacked = true;
  if (type === 'iTXt') {
    isPacked = body[at] === 1;
    // Flag and method, then language and translated keyword.
    at = body.indexOf(0, body.indexOf(0, at + 2) + 1) + 1;
  } else at += 1;
  if (!isPacked) return body.subarray(at);
  try {
    return inflateSync(body.subarray(at), { maxOutputLength: MOST_TEXT_BYTES });
  } catch {
    return undefined;
  }
}

/** ImageMagick's: an empty line, the name, the length, then hexadecimal digits. */
function fromRawProfile(text: Buffer): Buffer {
  const digits = text.toString('latin1').split('\n').slice(3).join('');
  const exif = Buffer.from(digits, 'hex');
  return startsWith(exif, 'Exif\0\0') ? exif.subarray(6) : exif;
}

function startsWith(bytes: Buffer, name: string): boolean {
  return bytes.toString('latin1', 0, name.length) === name;
}

/** Turned and flipped so that an image with this orientation is upright. */
export function turn(image: RgbImage, orientation: number): RgbImage {
  if (orientation === 1) return image;
  const { data, width: w, height: h } = image;
  // Of the source: the first pixel, and the step to the next one of a row and of a column.
  const [first, right, down] = [
    [0, 1, w],
    [w - 1, -1, w],
    [w * h - 1, -1, -w],
    [w * (h - 1), 1, -w],
    [0, w, 1],
    [w * (h - 1), -w, 1],
    [w * h - 1, -w, -1],
    [w - 1, w, -1],
  ][orientation - 1];
  const [width, height] = orientation > 4 ? [h, w] : [w, h];
  const out = new Uint8Array(data.length);
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0, i = (first + y * down) * 3; x < width; x++, i += right * 3, o += 3) {
      out[o] = data[i];
      out[o + 1] = data[i + 1];
      out[o + 2] = data[i + 2];
    }
  }
  return { data: out, width, height };
}
