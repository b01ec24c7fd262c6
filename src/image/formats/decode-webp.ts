import { endsEarly } from '../decode-error.ts';
import { checkSize, type PixelOptions, type RgbImage } from '../rgb-image.ts';
import { decodeWithSharp } from './decode-with-sharp.ts';

/** WebP, lossy or lossless; of an animation the first frame. */
export async function decodeWebp(bytes: Uint8Array, options: PixelOptions): Promise<RgbImage> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = readSize(file);
  if (size !== undefined) checkSize('WebP', size.width, size.height, options.maxPixels);
  try {
    return await decodeWithSharp(bytes, { format: 'WebP', maxPixels: options.maxPixels });
  } catch (error) {
    // RIFF: the length of all that follows is at byte 4.
    if (file.length >= 12 && file.readUInt32LE(4) + 8 <= file.length) throw error;
    throw endsEarly('WebP', error);
  }
}

/** Of the canvas, from the first chunk; undefined where the decoder will find no picture either. */
function readSize(file: Buffer): { width: number; height: number } | undefined {
  if (file.length < 30) return undefined;
  switch (file.toString('latin1', 12, 16)) {
    case 'VP8X':
      return { width: file.readUIntLE(24, 3) + 1, height: file.readUIntLE(27, 3) + 1 };
    case 'VP8L': {
      const bits = file.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
    }
    case 'VP8 ':
      return { width: file.readUInt16LE(26) & 0x3fff, height: file.readUInt16LE(28) & 0x3fff };
    default:
      return undefined;
  }
}
