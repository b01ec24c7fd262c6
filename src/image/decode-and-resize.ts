import {
  type DecodedChunk,
  type DecodeOptions,
  type DecodeTask,
  type ImageRejection,
  SLOT,
  toRejection,
} from './decoded-chunk.ts';
import { withImage } from './formats/decode.ts';
import { FileDecoder } from './jpeg/file-decoder.ts';
import { readImageFile } from './read-image-file.ts';
import { Resizer } from './resize/resize.ts';
import { luma } from './rgb-image.ts';
import { ViewMaker } from './views/make-views.ts';

/** How long decoding and resizing took, milliseconds, and the image's own size. */
export interface DecodedImage {
  readonly decodeMs: number;
  readonly resizeMs: number;
  readonly width: number;
  readonly height: number;
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
 * @param views what writes further views behind that row, and the name of the image
 */
export async function decodeInto(
  bytes: Uint8Array,
  options: DecodeOptions,
  resizer: Resizer,
  out: Uint8Array,
  offset: number,
  views?: { readonly maker: ViewMaker; readonly origin: string },
): Promise<DecodedImage> {
  const start = performance.now();
  return withImage(bytes, options, (image) => {
    const { data, width, height } = image;
    const decoded = performance.now();
    // Before the resize, which rounds: Keras' load_img(color_mode="grayscale") does it in this order.
    if (options.channels === 'gray') turnGray(data);
    resizer.resize(data, width, height, out, offset);
    views?.maker.write(image, views.origin, out, offset);
    if (options.channels === 'bgr') {
      const rows = views === undefined ? 1 : (options.views?.count ?? 1);
      swapRedAndBlue(out, offset, offset + rows * resizer.outputBytes);
    }
    const resizeMs = performance.now() - decoded;
    return { decodeMs: decoded - start, resizeMs, width, height };
  });
}

/** Pillow's convert("L"), in each channel. */
function turnGray(rgb: Uint8Array): void {
  for (let i = 0; i < rgb.length; i += 3) {
    rgb.fill(luma(rgb, i), i, i + 3);
  }
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

/**
 * Decodes chunks one image after the other, in its own thread: the body of a decode worker.
 */
export class ChunkDecoder {
  readonly #options: DecodeOptions;
  readonly #resizer: Resizer;
  readonly #files: FileDecoder | undefined;
  readonly #views: ViewMaker | undefined;

  constructor(options: DecodeOptions) {
    this.#options = options;
    this.#resizer = new Resizer(options.width, options.height, options.resize);
    this.#files = FileDecoder.open(options, this.#resizer);
    const { views, width } = options;
    this.#views = views && new ViewMaker(views, this.#resizer, width);
  }

  /**
   * Every task becomes one row, or one for each view, or one rejection.
   * @param current see SLOT: kept up to date
   * @param memory for the rows, with room for all of them
   */
  async decode(
    given: readonly DecodeTask[],
    current: Int32Array = new Int32Array(Object.keys(SLOT).length),
    memory?: SharedArrayBuffer,
  ): Promise<DecodedChunk> {
    const rowBytes = this.#resizer.outputBytes;
    const timing = { readMs: 0, decodeMs: 0, resizeMs: 0 };
    const tasks = this.#files === undefined ? given : inflateSmall(given, timing);
    const views = this.#options.views?.count ?? 1;
    const pixels =
      memory === undefined
        ? new Uint8Array(tasks.length * views * rowBytes)
        : new Uint8Array(memory);
    const indices: number[] = [];
    const sizes: number[] = [];
    const rejections: ImageRejection[] = [];
    const sizesOf = new Uint32Array(2 * tasks.length);
    const decodeFiles = this.#files?.open(tasks, sizesOf, current, timing);
    for (let i = 0; i < tasks.length; i++) {
      const first = indices.length * rowBytes;
      const end = i + (decodeFiles?.(i, pixels.subarray(first)) ?? 0);
      if (this.#options.channels === 'bgr') {
        swapRedAndBlue(pixels, first, first + (end - i) * rowBytes);
      }
      for (; i < end; i++) {
        indices.push(tasks[i].index);
        sizes.push(sizesOf[2 * i], sizesOf[2 * i + 1]);
      }
      if (i === tasks.length) break;
      Atomics.store(current, SLOT.position, i);
      try {
        const offset = indices.length * rowBytes;
        const image = await this.#decodeOne(tasks[i], pixels, offset, current, timing);
        for (let view = 0; view < views; view++) {
          indices.push(tasks[i].index);
          sizes.push(image.width, image.height);
        }
      } catch (error) {
        rejections.push(toRejection(tasks[i].index, error));
      }
    }
    const used = pixels.subarray(0, indices.length * rowBytes);
    return { indices, pixels: used, sizes, rejections, timing };
  }

  async #decodeOne(
    { path, bytes: given, listed, origin }: DecodeTask,
    pixels: Uint8Array,
    offset: number,
    current: Int32Array,
    timing: { readMs: number; decodeMs: number; resizeMs: number },
  ): Promise<DecodedImage> {
    const start = performance.now();
    const bytes = given ?? readImageFile(path as string, this.#options.maxPixels, listed);
    timing.readMs += performance.now() - start;
    Atomics.add(current, SLOT.turns, 1);
    const views = this.#views && { maker: this.#views, origin: origin! };
    const image = await decodeInto(
      bytes,
      this.#options,
      this.#resizer,
      pixels,
      offset,
      views,
    ).finally(() => Atomics.add(current, SLOT.turns, 1));
    timing.decodeMs += image.decodeMs;
    timing.resizeMs += image.resizeMs;
    return image;
  }
}

/** Of members of a zip: what is larger costs little more when it is inflated alone, and would be in memory with the others. */
const SMALL_BYTES = 1 << 20;

/** Deflated members with their bytes, so that FileDecoder takes them; those that cannot be read are rejected in their turn. */
function inflateSmall(
  tasks: readonly DecodeTask[],
  timing: { readMs: number },
): readonly DecodeTask[] {
  const start = performance.now();
  const inflated = tasks.map((task) => {
    const { path, listed } = task;
    if (path === undefined || !listed?.part?.isDeflated) return task;
    if (Math.max(listed.size, listed.part.stored) > SMALL_BYTES) return task;
    try {
      return { ...task, bytes: readImageFile(path, Number.POSITIVE_INFINITY, listed) };
    } catch {
      return task;
    }
  });
  timing.readMs += performance.now() - start;
  return inflated;
}
