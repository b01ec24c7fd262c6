import type { Augmentation } from '../options/augmentation.ts';
import { DecodeError, type RejectReason } from './decode-error.ts';
import type { FilePart } from './file-part.ts';

export type ResizeFilter = 'bicubic' | 'bilinear' | 'nearest';

/** How bytes become pixels. Plain data: it is sent to the worker threads. */
export interface DecodeOptions {
  /** Output width and height in pixels. */
  readonly width: number;
  readonly height: number;
  /** Pillow's filter of that name, bit for bit. */
  readonly resize: ResizeFilter;
  /** `apply` turns the image as its EXIF orientation says; `ignore` is what Pillow and Keras do. */
  readonly exif: 'ignore' | 'apply';
  /**
   * The three channels of the output: `bgr` only for --seed-compat (Spark's byte order); `gray`, for networks
   * of one channel, gives Pillow's convert("L") in each.
   */
  readonly channels: 'rgb' | 'bgr' | 'gray';
  /** An image with more pixels than this is rejected before it is decoded. */
  readonly maxPixels: number;
  /** TIFF is decoded only on request. */
  readonly tiff: boolean;
  /** Rows of each image; undefined = one, of the whole image. */
  readonly views?: ViewOptions | undefined;
}

export interface ViewOptions {
  /** Rows of each image, one after the other: the first is the whole image. */
  readonly count: number;
  readonly seed: number;
  readonly augment: Augmentation;
}

/** A file's size in bytes and its modification time in ms, as text. */
export interface ListedFile {
  readonly size: number;
  readonly version: string;
  /** Where the image is a part of the file: `size` is that of the image then. */
  readonly part?: FilePart | undefined;
}

/** One image to decode: from disk by the worker itself, or from bytes that are there once `fetch` was called. */
export interface DecodeTask {
  /** Position in the manifest; ties the row to its origin from here to the table. */
  readonly index: number;
  /** Its name for messages, where there is no manifest to look the position up. */
  readonly name?: string;
  /** Its name in the table, from which its views are drawn; only where there are several. */
  readonly origin?: string | undefined;
  /** Absolute path; the worker reads it. */
  readonly path?: string;
  /** What the listing said of the image; another file at `path` by now is a rejection `changed`. */
  readonly listed?: ListedFile;
  /** The file's bytes; the buffer is transferred to the worker. */
  readonly bytes?: Uint8Array;
  /** Gives the bytes, until `stop`; once more where they are lost with a thread that an image has hung. */
  readonly fetch?: (stop?: AbortSignal) => Promise<Uint8Array>;
}

export interface ImageRejection {
  readonly index: number;
  readonly reason: RejectReason;
  readonly message: string;
}

/** What an image without a row is recorded as. @throws an error that the image did not cause */
export function toRejection(index: number, error: unknown): ImageRejection {
  if (!(error instanceof DecodeError)) throw error;
  return { index, reason: error.reason, message: error.message };
}

/** A few neighbouring images after decode and resize; tasks without a row are in `rejections`. */
export interface DecodedChunk {
  /** Manifest positions of the rows in `pixels`, ascending; of an image with views its position repeats. */
  readonly indices: readonly number[];
  /** uint8 [indices.length, height, width, 3]. */
  readonly pixels: Uint8Array;
  /** Width and height of the image of each row before the resize, one after the other. */
  readonly sizes: readonly number[];
  readonly rejections: readonly ImageRejection[];
  /** CPU-side time spent in the worker, milliseconds, by stage. */
  readonly timing: {
    readonly readMs: number;
    readonly decodeMs: number;
    readonly resizeMs: number;
  };
}

/** What each int32 that a decode thread shares holds, so that a hang or a crash can be attributed to one image. */
export const SLOT = {
  /** Id of the chunk in work. */
  job: 0,
  /** Position of the task in its chunk. */
  position: 1,
  /** Goes up when an image's decoding begins and when it ends: odd in between. How long reading takes depends on the disk. */
  turns: 2,
  /** Set from outside: nobody needs the rest of the chunk. */
  stop: 3,
} as const;
