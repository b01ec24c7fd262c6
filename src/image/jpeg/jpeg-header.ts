import { DecodeError, endsEarly } from '../decode-error.ts';

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
  /** The Adobe marker's colour transform, or undefined without that marker. */
  readonly adobeTransform: number | undefined;
}

/**
 * Ordinary progressive files have about 10; each more makes a decoder read all coefficients
 * again.
 */
const MAX_SCANS = 100;

const JFIF = Buffer.from('JFIF\0');
const ADOBE = Buffer.from('Adobe');

/**
 * Reads the markers up to the end of the image. libjpeg invents what is missing and libvips does
 * not always warn, so this checks that the file has its end. Throws DecodeError
 * `truncated` or `corrupt`.
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader {
  let frame:
    | Pick<JpegHeader, 'width' | 'height' | 'precision' | 'frame' | 'components'>
    | undefined;
  let hasJfif = false;
  let adobeTransform: number | undefined;
  let at = 2;
  for (;;) {
    // Any number of 0xff may pad a marker.
    while (bytes[at] === 0xff && bytes[at + 1] === 0xff) at++;
    if (at + 4 > bytes.length) throw endsEarly('JPEG');
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff || marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9)) {
      throw new DecodeError(
        'corrupt',
        `Expected a JPEG marker at byte ${at} but found other data.`,
      );
    }
    const length = (bytes[at + 2] << 8) | bytes[at + 3];
    // Positions, not views of the segments: making those would take longer than reading them.
    const start = at + 4;
    const end = at + 2 + length;
    if (length < 2 || end > bytes.length) throw endsEarly('JPEG');
    if (marker === 0xda) {
      if (frame === undefined) {
        throw new DecodeError('corrupt', 'Expected a JPEG frame header but found none.');
      }
      const scanComponents = start < end ? bytes[start] : 0;
      const scans = countScans(bytes, at);
      return { ...frame, scanComponents, scans, hasJfif, adobeTransform };
    }
    if (isFrame(marker)) frame ??= readFrame(marker, bytes, start, end);
    else if (marker === 0xe0 && holds(bytes, start, end, JFIF)) hasJfif = true;
    else if (marker === 0xee && end - start >= 12 && holds(bytes, start, end, ADOBE)) {
      adobeTransform = bytes[start + 11];
    }
    at = end;
  }
}

/** Walks from the first start-of-scan marker to the end-of-image marker. */
function countScans(bytes: Uint8Array, firstScan: number): number {
  let scans = 0;
  let at = firstScan;
  for (;;) {
    if (at < 0 || at + 2 > bytes.length) throw endsEarly('JPEG');
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
      if (at + 4 > bytes.length) throw endsEarly('JPEG');
      at = bytes.indexOf(0xff, at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]));
    } else {
      throw new DecodeError(
        'corrupt',
        `Expected JPEG data at byte ${at} but found a wrong marker.`,
      );
    }
  }
}

/** 0xc0 to 0xcf without the tables (DHT, DAC) and the reserved one that are between them. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function readFrame(marker: number, bytes: Uint8Array, start: number, end: number) {
  const count = end - start >= 6 ? bytes[start + 5] : 0;
  if (end - start < 6 + count * 3) {
    throw new DecodeError(
      'corrupt',
      'Expected a complete JPEG frame header but found a short one.',
    );
  }
  const components: JpegHeader['components'][number][] = [];
  for (let at = start + 6; at < start + 6 + count * 3; at += 3) {
    const factors = bytes[at + 1];
    components.push({ id: bytes[at], horizontal: factors >> 4, vertical: factors & 15 });
  }
  return {
    frame: marker,
    precision: bytes[start],
    height: (bytes[start + 1] << 8) | bytes[start + 2],
    width: (bytes[start + 3] << 8) | bytes[start + 4],
    components,
  };
}

/** Whether the segment [start, end) begins with a name. */
function holds(bytes: Uint8Array, start: number, end: number, name: Uint8Array): boolean {
  if (end - start < name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}
