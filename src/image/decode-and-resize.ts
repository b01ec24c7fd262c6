import type { DecodeOptions } from './decoded-chunk.ts';
import { withImage } from './formats/decode.ts';
import { Resizer } from './resize/resize.ts';

/** When decoding and resizing began and ended: `performance.now()`, milliseconds. */
export interface StageTimes {
  readonly decodeMs: number;
  readonly resizeMs: number;
}

/**
 * One image file's bytes to a row of pixels, in this thread: uint8 [height, width, 3] in the
 * channel order of `options.channels`.
 *
 * @throws DecodeError when the bytes give no image
 *
 * @example
 * const row = await decodeAndResize(await readFile('a.jpg'), { ...options, width: 10, height: 10
 * }); // 300 bytes
 */
export async function decodeAndResize(
  bytes: Uint8Array,
  options: DecodeOptions,
): Promise<Uint8Array> {
  const resizer = new Resizer(options.width, options.height, options.resize);
  const row = new Uint8Array(resizer.outputBytes);
  await decodeInto(bytes, options, resizer, row, 0);
  return row;
}

/**
 * The same into `out` at byte `offset`, with a resizer that keeps its tables from image to image.
 */
export async function decodeInto(
  bytes: Uint8Array,
  options: DecodeOptions,
  resizer: Resizer,
  out: Uint8Array,
  offset: number,
): Promise<StageTimes> {
  const start = performance.now();
  return withImage(bytes, options, ({ data, width, height }) => {
    const decoded = performance.now();
    resizer.resize(data, width, height, out, offset);
    if (options.channels === 'bgr') swapRedAndBlue(out, offset, offset + resizer.outputBytes);
    return { decodeMs: decoded - start, resizeMs: performance.now() - decoded };
  });
}

/**
 * Channels do not mix in a resize, so swapping after it gives the same bytes as before, for fewer
 * pixels.
 */
function swapRedAndBlue(pixels: Uint8Array, start: number, end: number): void {
  for (let i = start; i < end; i += 3) {
    const red = pixels[i];
    pixels[i] = pixels[i + 2];
    pixels[i + 2] = red;
  }
}
