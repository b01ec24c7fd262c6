import type { DecodedChunk, DecodeOptions, DecodeTask } from '../decoded-chunk.ts';
import type { Resizer } from '../resize/resize.ts';
import { type FileDecoderHandle, type JpegAddon, nativeJpeg } from './direct-decoder.ts';

/**
 * Ordinary JPEG files, on a disk or in memory, to rows in one call of native/jpeg: with small files the JavaScript between reading, decoding
 * and resizing takes as long as those. It leaves whatever is unusual (another format or size of file, damage, a file that is
 * not the listed one) to the caller, whose code decodes it or says why not: what becomes of a file does not depend on it.
 */
export class FileDecoder {
  readonly #addon: JpegAddon;
  readonly #handle: FileDecoderHandle;
  readonly #resizer: Resizer;
  /** Milliseconds of reading, decoding, resizing; width and height of a picture that needs tables. */
  readonly #report = new Float64Array(5);

  /** @returns undefined where the addon is missing, cannot resize on this processor, or the options want more: views need the whole image */
  static open(options: DecodeOptions, resizer: Resizer): FileDecoder | undefined {
    const { width, height, resize, exif, channels, maxPixels, views } = options;
    if (views !== undefined || resize === 'nearest' || exif !== 'ignore' || channels === 'gray')
      return undefined;
    const addon = nativeJpeg();
    const handle = addon?.openFiles(width, height, maxPixels);
    return handle && new FileDecoder(addon!, handle, resizer);
  }

  private constructor(addon: JpegAddon, handle: FileDecoderHandle, resizer: Resizer) {
    this.#addon = addon;
    this.#handle = handle;
    this.#resizer = resizer;
  }

  /**
   * @param sizes gets width and height of each image before the resize
   * @returns a function that decodes the tasks from `from` on to `pixels`, up to one that is left; it returns how many
   */
  open(
    tasks: readonly DecodeTask[],
    sizes: Uint32Array,
    current: Int32Array | undefined,
    timing: { -readonly [stage in keyof DecodedChunk['timing']]: number },
  ): (from: number, pixels: Uint8Array) => number {
    const files = tasks.map(({ path = '', bytes }) => bytes ?? path);
    const listed = new Float64Array(4 * tasks.length).fill(Number.NaN);
    tasks.forEach((task, i) => {
      if (!isListedFile(task)) return;
      const { size, version, part } = task.listed!;
      listed.set([size, Number(version), part?.from ?? -1, part?.crc32 ?? -1], 4 * i);
    });
    const report = this.#report;
    const { outputBytes } = this.#resizer;
    return (from, pixels) => {
      report.fill(0);
      let done = 0;
      do {
        if (report[3] > 0) this.#addTables(report[3], report[4]);
        const room = pixels.subarray(done * outputBytes);
        const at = from + done;
        done += this.#addon.decodeFiles(
          this.#handle,
          files,
          listed,
          at,
          room,
          sizes,
          current,
          report,
        );
      } while (report[3] > 0);
      timing.readMs += report[0];
      timing.decodeMs += report[1];
      timing.resizeMs += report[2];
      return done;
    };
  }

  #addTables(width: number, height: number): void {
    const { rows, columns } = this.#resizer.tablesFor(width, height);
    this.#addon.addTables(this.#handle, rows.bytes, columns.bytes);
  }
}

/** A version that is not a time as Node prints it says nothing of a file. */
function isListedFile({ path, bytes, listed }: DecodeTask): boolean {
  if (path === undefined || bytes !== undefined || listed === undefined) return false;
  if (listed.part?.isDeflated) return false; // Its caller has inflated it, or it is large.
  return String(Number(listed.version)) === listed.version;
}
