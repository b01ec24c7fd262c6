import { decodeInto } from './decode-and-resize.ts';
import { DecodeError } from './decode-error.ts';
import type { DecodedChunk, DecodeOptions, DecodeTask, ImageRejection } from './decoded-chunk.ts';
import { readImageFile } from './read-image-file.ts';
import { Resizer } from './resize.ts';

/**
 * Decodes chunks one image after the other, in the thread it lives in: the body of a decode worker.
 */
export class ChunkDecoder {
  readonly #options: DecodeOptions;
  readonly #resizer: Resizer;

  constructor(options: DecodeOptions) {
    this.#options = options;
    this.#resizer = new Resizer(options.width, options.height, options.resize);
  }

  /**
   * Every task ends as one row or one rejection. The rows' buffer is the caller's, to be
   * transferred.
   *
   * @param onStart told each task before it is touched, so that a crash can be laid at its door
   */
  async decode(
    tasks: readonly DecodeTask[],
    onStart: (task: DecodeTask) => void = () => {},
  ): Promise<DecodedChunk> {
    const rowBytes = this.#resizer.outputBytes;
    const pixels = new Uint8Array(tasks.length * rowBytes);
    const indices: number[] = [];
    const rejections: ImageRejection[] = [];
    const timing = { readMs: 0, decodeMs: 0, resizeMs: 0 };
    for (const task of tasks) {
      onStart(task);
      try {
        const start = performance.now();
        const bytes = task.bytes ?? readImageFile(task.path as string, this.#options.maxPixels);
        timing.readMs += performance.now() - start;
        const offset = indices.length * rowBytes;
        const times = await decodeInto(bytes, this.#options, this.#resizer, pixels, offset);
        timing.decodeMs += times.decodeMs;
        timing.resizeMs += times.resizeMs;
        indices.push(task.index);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        rejections.push({ index: task.index, reason: error.reason, message: error.message });
      }
    }
    return { indices, pixels: pixels.subarray(0, indices.length * rowBytes), rejections, timing };
  }
}
