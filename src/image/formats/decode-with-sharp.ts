import { DecodeError } from '../decode-error.ts';
import type { RgbImage } from '../rgb-image.ts';
import { loadSharp } from './load-sharp.ts';
import { looksCutShort } from './looks-cut-short.ts';

/** How libvips is to read one file, once its header is known to be acceptable. */
export interface SharpRequest {
  /** For messages and for telling a cut file from a damaged one. */
  readonly format: 'JPEG' | 'PNG' | 'WebP' | 'TIFF';
  readonly maxPixels: number;
  /** Turn and flip as the orientation tag says. */
  readonly autoOrient: boolean;
  /** Four channels as libvips has them, without any colour management, instead of RGB. */
  readonly cmyk?: boolean;
}

/** What came out: uint8 [height, width, channels]. */
export interface RawPixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/**
 * Decodes with libvips what `Image.open(file).convert('RGB')` gives: colour profiles ignored, alpha
 * dropped and not composited, the first page or frame only.
 *
 * Warnings of the codec reject the image (`failOn: 'warning'`): a half-grey picture would be a
 * wrong row.
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
      autoOrient: request.autoOrient,
      sequentialRead: true,
      pages: 1,
    });
    const pixels = request.cmyk
      ? image.pipelineColourspace('cmyk').toColourspace('cmyk')
      : image.removeAlpha().toColourspace('srgb');
    const { data, info } = await pixels.raw().toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: info.channels };
  } catch (error) {
    throw explain(error, bytes, request);
  }
}

function explain(error: unknown, bytes: Uint8Array, request: SharpRequest): DecodeError {
  const said = (error instanceof Error ? error.message : String(error))
    .split('\n')[0]
    .slice(0, 200);
  const { format } = request;
  if (/exceeds pixel limit/.test(said)) {
    return new DecodeError(
      'too_many_pixels',
      `Expected at most ${request.maxPixels} pixels but found more.`,
      error,
    );
  }
  if (looksCutShort(format, bytes)) {
    return new DecodeError(
      'truncated',
      `Expected a complete ${format} but found one that ends early (${said}).`,
      error,
    );
  }
  return new DecodeError(
    'corrupt',
    `Expected a sound ${format} but found damage (${said}).`,
    error,
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
