import type { JpegHeader } from './jpeg-header.ts';

/**
 * Whether a direct decoder gives exactly the pixels of Pillow's libjpeg-turbo for this file, whatever its size.
 *
 * It does for sequential Huffman-coded gray and YCbCr. The one in WebAssembly lacks the smooth vertical upsampling of
 * chroma that is halved in height only (4:4:0), and its smoothing of incomplete progressive files
 * is older: those, and all that is rare, go to sharp. One limit is left: where damaged data still
 * read as valid codes, coefficients leave the range of an image, and there libjpeg-turbo's own
 * scalar and SIMD code differ. Such a file gives a garbled row with WebAssembly as with Pillow, but not the
 * same one.
 */
export function suitsDirectPath(header: JpegHeader): boolean {
  if (header.precision !== 8 || (header.frame !== 0xc0 && header.frame !== 0xc1)) return false;
  // One scan with all components is decoded in one bounded sweep.
  if (header.scans !== 1 || header.scanComponents !== header.components.length) return false;
  if (header.components.length === 1) return true;
  if (header.components.length !== 3) return false;
  const isYcc =
    header.adobeTransform === undefined
      ? header.hasJfif || header.components.every(({ id }, i) => id === i + 1)
      : header.adobeTransform === 1;
  const [luma, ...chroma] = header.components;
  const isPlainChroma = chroma.every((c) => c.horizontal === 1 && c.vertical === 1);
  const luma16 = luma.horizontal * 16 + luma.vertical;
  return isYcc && isPlainChroma && (luma16 === 0x11 || luma16 === 0x21 || luma16 === 0x22);
}
