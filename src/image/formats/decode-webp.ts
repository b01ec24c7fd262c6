import type { PixelOptions, RgbImage } from '../rgb-image.ts';
import { decodeWithSharp } from './decode-with-sharp.ts';

/**
 * WebP, lossy or lossless; of an animation the first frame. libvips reads the size before it
 * decodes.
 */
export function decodeWebp(bytes: Uint8Array, options: PixelOptions): Promise<RgbImage> {
  return decodeWithSharp(bytes, {
    format: 'WebP',
    maxPixels: options.maxPixels,
    autoOrient: options.exif === 'apply',
  });
}
