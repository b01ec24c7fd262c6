import { DecodeError } from './decode-error.ts';
import type { DecodeOptions } from './decoded-chunk.ts';

/** A decoded picture: uint8 [height, width, 3], RGB. */
export interface RgbImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** The part of DecodeOptions that decoding, without resizing, uses. */
export type PixelOptions = Pick<DecodeOptions, 'exif' | 'maxPixels' | 'tiff'>;

/** Refuses a size read from a header before anything of that size is allocated. */
export function checkSize(format: string, width: number, height: number, maxPixels: number): void {
  if (width <= 0 || height <= 0) {
    throw new DecodeError(
      'corrupt',
      `Expected a ${format} with pixels but found ${width} x ${height}.`,
    );
  }
  if (width * height > maxPixels) {
    throw new DecodeError(
      'too_many_pixels',
      `Expected at most ${maxPixels} pixels but found ${width} x ${height}.`,
    );
  }
}

/** Turns indices into colours through a palette of 256 RGB entries. */
export function applyPalette(
  indices: Uint8Array,
  palette: Uint8Array,
  width: number,
  height: number,
): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0, o = 0; o < data.length; i++, o += 3) {
    const entry = indices[i] * 3;
    data[o] = palette[entry];
    data[o + 1] = palette[entry + 1];
    data[o + 2] = palette[entry + 2];
  }
  return { data, width, height };
}

/** Pillow's convert("L") of the pixel at `i`. */
export function luma(rgb: Uint8Array, i: number): number {
  return (19595 * rgb[i] + 38470 * rgb[i + 1] + 7471 * rgb[i + 2] + 0x8000) >> 16;
}

/** One gray value a pixel to three equal ones. */
export function spreadGray(gray: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(gray.length * 3);
  for (let i = 0, o = 0; i < gray.length; i++, o += 3) {
    rgb[o] = gray[i];
    rgb[o + 1] = gray[i];
    rgb[o + 2] = gray[i];
  }
  return rgb;
}
