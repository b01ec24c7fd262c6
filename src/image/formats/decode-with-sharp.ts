import { DecodeError } from '../decode-error.ts';
import type { RgbImage } from '../rgb-image.ts';
import { loadSharp } from './load-sharp.ts';

/** How libvips is to read one file, once its header is known to be acceptable. */
export interface SharpRequest {
  /** For messages. */
  readonly format: 'JPEG' | 'PNG' | 'WebP' | 'TIFF';
  readonly maxPixels: number;
  /** `cmyk`: four channels as libvips has them, without any colour management; `rgba`: alpha is kept, too. */
  readonly channels?: 'cmyk' | 'rgba';
}

/** What came out: uint8 [height, width, channels]. */
export interface RawPixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/**
 * Decodes with libvips what `Image.open(file).convert('RGB')` gives: colour profiles and orientation ignored, alpha
 * dropped and not composited, the first page or frame only.
 *
 * The one rule for damage: a decoder gets only what pixels are made from, and whatever it then fails at or
 * warns of rejects the image. Metadata are left out (`decodePng`, `keepPixelTags`), so nothing in them can reject it; and a warning
 * about the data means that pixels would be invented: a half-grey picture would be a wrong row.
 */
export async function decodeWithSharp(bytes: Uint8Array, request: SharpRequest): Promise<RgbImage> {
  const { data, width, height, channels } = await decodeRaw(bytes, request);
  if (channels === 3) return { data, width, height };
  if (channels === 1) return { data: spreadGray(data), width, height };
  throw new DecodeError(
    'unsupported_color',
    `Expected gray or RGB in the ${request.format} but found ${channels} channels.`,
  );
}

/** The same before the channels are made three: gray stays one channel, CMYK four. */
export async function decodeRaw(bytes: Uint8Array, request: SharpRequest): Promise<RawPixels> {
  const sharp = await loadSharp();
  try {
    const image = sharp(bytes, {
      failOn: 'warning',
      limitInputPixels: request.maxPixels,
      ignoreIcc: true,
      sequentialRead: true,
      pages: 1,
    });
    if (request.channels === 'cmyk') image.pipelineColourspace('cmyk').toColourspace('cmyk');
    else if (request.channels === 'rgba') image.toColourspace('srgb');
    else image.removeAlpha().toColourspace('srgb');
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: info.channels };
  } catch (error) {
    throw damaged(request.format, error);
  }
}

/**
 * The words do not depend on the cause: libvips keeps one text of errors for the whole process, where those of other
 * threads' files are, too, and rejected.jsonl is the same whatever the number of threads.
 */
export function damaged(format: SharpRequest['format'], cause?: unknown): DecodeError {
  return new DecodeError(
    'corrupt',
    `Expected an undamaged ${format} but found damage: its decoder fails at the pixel data or warns of them.`,
    cause,
  );
}

function spreadGray(gray: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(gray.length * 3);
  for (let i = 0, o = 0; i < gray.length; i++, o += 3) {
    rgb[o] = gray[i];
    rgb[o + 1] = gray[i];
    rgb[o + 2] = gray[i];
  }
  return rgb;
}
