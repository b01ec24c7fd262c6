import { DecodeError } from '../decode-error.ts';

/** What the markers say; the entropy-coded data between them is only stepped over. */
export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample. */
  readonly precision: number;
  /** 0xc0 baseline, 0xc1 extended, 0xc2 progressive, others: lossless, arithmetic … */
  readonly frame: number;
  /** Identifier and sampling factors of each component, in file order. */
  readonly components: readonly {
    readonly id: number;
    readonly horizontal: number;
    readonly vertical: number;
  }[];
  /** How many components the first scan holds. */
  readonly scanComponents: number;
  /** Number of scans: 1 for ordinary files, about 10 for progressive ones. */
  readonly scans: number;
  readonly hasJfif: boolean;
  readonly hasExif: boolean;
  /** The Adobe marker's colour transform, or undefined without that marker. */
  readonly adobeTransform: number | undefined;
}

/**
 * Ordinary progressive files have about 10; each more makes a decoder go over all coefficients
 * again.
 */
const MAX_SCANS = 100;

/**
 * Reads the markers up to the end of the image. libjpeg makes up what is missing and libvips does
 * not always tell, so this is what makes sure that the file has its end. Throws DecodeError
 * `truncated` or `corrupt`.
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader {
  let frame:
    | Pick<JpegHeader, 'width' | 'height' | 'precision' | 'frame' | 'components'>
    | undefined;
  let hasJfif = false;
  let hasExif = false;
  let adobeTransform: number | undefined;
  let at = 2;
  for (;;) {
    // Any number of 0xff may pad a marker.
    while (bytes[at] === 0xff && bytes[at + 1] === 0xff) at++;
    if (at + 4 > bytes.length) throw cutShort();
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff || marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9)) {
      throw new DecodeError(
        'corrupt',
        `Expected a JPEG marker at byte ${at} but found other data.`,
      );
    }
    const length = (bytes[at + 2] << 8) | bytes[at + 3];
    const segment = bytes.subarray(at + 4, at + 2 + length);
    if (length < 2 || segment.length !== length - 2) throw cutShort();
    if (marker === 0xda) {
      if (frame === undefined) {
        throw new DecodeError('corrupt', 'Expected a JPEG frame header but found none.');
      }
      const scans = countScans(bytes, at);
      return { ...frame, scanComponents: segment[0] ?? 0, scans, hasJfif, hasExif, adobeTransform };
    }
    if (isFrame(marker)) frame ??= readFrame(marker, segment);
    else if (marker === 0xe0 && startsWith(segment, 'JFIF\0')) hasJfif = true;
    else if (marker === 0xe1 && startsWith(segment, 'Exif\0')) hasExif = true;
    else if (marker === 0xee && segment.length >= 12 && startsWith(segment, 'Adobe')) {
      adobeTransform = segment[11];
    }
    at += 2 + length;
  }
}

/** Walks from the first start-of-scan marker to the end-of-image marker. */
function countScans(bytes: Uint8Array, firstScan: number): number {
  let scans = 0;
  let at = firstScan;
  for (;;) {
    if (at < 0 || at + 2 > bytes.length) throw cutShort();
    const marker = bytes[at + 1];
    if (marker === 0xd9) return scans;
    if (marker === 0xff) {
      at++;
    } else if (marker === 0 || (marker >= 0xd0 && marker <= 0xd7)) {
      // An escaped data byte, or a restart inside the scan.
      at = bytes.indexOf(0xff, at + 2);
    } else if (marker >= 0xc0 && marker !== 0xd8) {
      if (marker === 0xda && ++scans > MAX_SCANS) {
        throw new DecodeError(
          'corrupt',
          `Expected at most ${MAX_SCANS} JPEG scans but found more.`,
        );
      }
      if (at + 4 > bytes.length) throw cutShort();
      at = bytes.indexOf(0xff, at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]));
    } else {
      throw new DecodeError(
        'corrupt',
        `Expected JPEG data at byte ${at} but found a wrong marker.`,
      );
    }
  }
}

/** 0xc0 to 0xcf without the tables (DHT, DAC) and the reserved one that stand between them. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function readFrame(marker: number, segment: Uint8Array) {
  const count = segment[5] ?? 0;
  if (segment.length < 6 + count * 3) {
    throw new DecodeError(
      'corrupt',
      'Expected a complete JPEG frame header but found a short one.',
    );
  }
  const components: JpegHeader['components'][number][] = [];
  for (let at = 6; at < 6 + count * 3; at += 3) {
    const factors = segment[at + 1];
    components.push({ id: segment[at], horizontal: factors >> 4, vertical: factors & 15 });
  }
  return {
    frame: marker,
    precision: segment[0],
    height: (segment[1] << 8) | segment[2],
    width: (segment[3] << 8) | segment[4],
    components,
  };
}

function startsWith(segment: Uint8Array, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (segment[i] !== text.charCodeAt(i)) return false;
  return true;
}

function cutShort(): DecodeError {
  return new DecodeError('truncated', 'Expected a complete JPEG but found one that ends early.');
}
