import type { DecodeOptions } from '../image/decoded-chunk.ts';
import type { ExtractOptions } from '../options/extract-options.ts';

/** How the options ask for pixels. */
export function decodeOptions(
  options: ExtractOptions,
  [height, width]: readonly [number, number],
): DecodeOptions {
  return {
    width,
    height,
    resize: options.resize,
    exif: options.exif,
    channels: options.seedCompat ? 'bgr' : 'rgb',
    maxPixels: options.maxPixels * 1e6,
    tiff: options.tiff,
  };
}
