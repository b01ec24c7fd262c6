import { decodeInto } from './decode-and-resize.ts';
import { DecodeError } from './decode-error.ts';
import type { DecodedChunk, DecodeOptions, DecodeTask, ImageRejection } from './decoded-chunk.ts';
import { readImageFile } from './read-image-file.ts';
import { Resizer } from './resize/resize.ts';

/** Records what the decoder works on, so that a hang or a crash can be attributed to one image. */
export interface DecodeWatcher {
  /** Before a task is touched. */
  starts(): void;
  /** When its bytes are there; how long reading takes depends on the disk. */
  decodes(): void;
  /** When it is a row or a rejection, after `decodes` only. */
  ends(): void;
}

const NOBODY: DecodeWatcher = { starts() {}, decodes() {}, ends() {} };

/**
 * Decodes chunks one image after the other, in its own thread: the body of a decode worker.
 */
export class ChunkDecoder {
  readonly #options: DecodeOptions;
  readonly #resizer: Resizer;

  constructor(options: DecodeOptions) {
    this.#options = options;
    this.#resizer = new Resizer(options.width, options.height, options.resize);
  }

  /**
   * Every task becomes one row or one rejection. The caller owns the rows' buffer and may
   * transfer it.
   */
  async decode(
    tasks: readonly DecodeTask[],
    watcher: DecodeWatcher = NOBODY,
  ): Promise<DecodedChunk> {
    const rowBytes = this.#resizer.outputBytes;
    const pixels = new Uint8Array(tasks.length * rowBytes);
    const indices: number[] = [];
    const rejections: ImageRejection[] = [];
    const timing = { readMs: 0, decodeMs: 0, resizeMs: 0 };
    for (const task of tasks) {
      watcher.starts();
      try {
        const start = performance.now();
        const bytes =
          task.bytes ?? readImageFile(task.path as string, this.#options.maxPixels, task.listed);
        timing.readMs += performance.now() - start;
        const offset = indices.length * rowBytes;
        watcher.decodes();
        const times = await decodeInto(bytes, this.#options, this.#resizer, pixels, offset).finally(
          () => watcher.ends(),
        );
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
