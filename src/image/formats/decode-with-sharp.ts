/** sharp (libvips): loaded once, closed for every format but those wanted, and what it decodes. */
import { workerData } from 'node:worker_threads';
import type { Sharp, SharpOptions } from 'sharp';
import { RunError } from '../../errors.ts';
import { DecodeError } from '../decode-error.ts';
import { type RgbImage, spreadGray } from '../rgb-image.ts';

/** How libvips is to read one file, once its header is known to be acceptable. */
export interface SharpRequest {
  /** For messages. */
  readonly format: 'JPEG' | 'PNG' | 'WebP' | 'TIFF';
  readonly maxPixels: number;
  /** `cmyk`: four channels as libvips has them, without any colour management; `rgba`: alpha is kept, too. */
  readonly channels?: 'cmyk' | 'rgba';
}

/** What came out: uint8 [height, width, channels]. */
export interface RawPixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/**
 * Decodes with libvips what `Image.open(file).convert('RGB')` gives: colour profiles and orientation ignored, alpha
 * dropped and not composited, the first page or frame only.
 *
 * The one rule for damage: a decoder gets only what pixels are made from, and whatever it then fails at or
 * warns of rejects the image. Metadata are left out (`decodePng`, `keepPixelTags`), so nothing in them can reject it; and a warning
 * about the data means that pixels would be invented: a half-grey picture would be a wrong row.
 */
export async function decodeWithSharp(bytes: Uint8Array, request: SharpRequest): Promise<RgbImage> {
  const { data, width, height, channels } = await decodeRaw(bytes, request);
  if (channels === 3) return { data, width, height };
  if (channels === 1) return { data: spreadGray(data), width, height };
  throw new DecodeError(
    'unsupported_color',
    `Expected gray or RGB in the ${request.format} but found ${channels} channels.`,
  );
}

/** The same before the channels are made three: gray stays one channel, CMYK four. */
export async function decodeRaw(bytes: Uint8Array, request: SharpRequest): Promise<RawPixels> {
  const sharp = await loadSharp();
  try {
    const image = sharp(bytes, {
      failOn: 'warning',
      limitInputPixels: request.maxPixels,
      ignoreIcc: true,
      sequentialRead: true,
      pages: 1,
    });
    if (request.channels === 'cmyk') image.pipelineColourspace('cmyk').toColourspace('cmyk');
    else if (request.channels === 'rgba') image.toColourspace('srgb');
    else image.removeAlpha().toColourspace('srgb');
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: info.channels };
  } catch (error) {
    throw damaged(request.format, error);
  }
}

/**
 * The words do not depend on the cause: libvips keeps one text of errors for the whole process, where those of other
 * threads' files are, too, and rejected.jsonl is the same whatever the number of threads.
 */
export function damaged(format: SharpRequest['format'], cause?: unknown): DecodeError {
  return new DecodeError(
    'corrupt',
    `Expected an undamaged ${format} but found damage: its decoder fails at the pixel data or warns of them.`,
    cause,
  );
}

type SharpFactory = (input: Uint8Array, options: SharpOptions) => Sharp;

/** The loaders of libvips that stay enabled; all others are blocked for the whole process. */
const WANTED_LOADERS = [
  'VipsForeignLoadJpegBuffer',
  'VipsForeignLoadPngBuffer',
  'VipsForeignLoadWebpBuffer',
];

let loading: Promise<SharpFactory> | undefined;

/**
 * sharp, loaded on first use (it takes 60 ms, which a folder of small JPEGs never needs) and blocked for every
 * format that is not requested: SVG, PDF, HEIF and the rest of libvips never get the user's bytes.
 */
export function loadSharp(): Promise<SharpFactory> {
  loading ??= (async () => {
    const { default: sharp } = await import('sharp');
    oncePerProcess(() => {
      sharp.block({ operation: ['VipsForeignLoad'] });
      sharp.unblock({ operation: WANTED_LOADERS });
    });
    // Nothing is decoded twice, and the worker threads are the parallelism.
    sharp.cache(false);
    sharp.concurrency(1);
    await expectClosed(sharp);
    return sharp as SharpFactory;
  })();
  return loading;
}

/** The smallest files of formats that libvips reads and that must stay blocked, except TIFF. */
const PROBES = {
  SVG: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'),
  GIF: Buffer.from('R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs=', 'base64'),
};

/** Checks that the blocking works: another build of libvips may name its loaders otherwise. */
async function expectClosed(sharp: SharpFactory): Promise<void> {
  for (const [name, bytes] of Object.entries(PROBES)) {
    const format = await sharp(bytes, {})
      .metadata()
      .then(
        ({ format }) => format,
        () => undefined,
      );
    if (format === undefined) continue;
    throw new RunError(
      `Expected libvips to refuse ${name} but found that it opened one as ${format}.`,
      {
        fix: 'Install the locked dependencies again (npm ci): no image is read with this one.',
      },
    );
  }
}

/** Enables the TIFF loader as well: only for users who requested TIFF. */
export async function unblockTiff(): Promise<void> {
  await loadSharp();
  const { default: sharp } = await import('sharp');
  sharp.unblock({ operation: ['VipsForeignLoadTiffBuffer'] });
}

const FREE = 0;
const BUSY = 1;
const DONE = 2;

/** Shared by all threads of the process: the pool passes it to each worker in its workerData. */
export const processGate: Int32Array =
  (workerData as { readonly processGate?: Int32Array } | null)?.processGate ??
  new Int32Array(new SharedArrayBuffer(4));

/**
 * Runs `work` in the first thread that comes here; every other thread waits for it, then continues.
 * Settings of libvips belong to the process: a thread that blocked its loaders again would disable them
 * while another thread opens a file.
 */
export function oncePerProcess(work: () => void, gate: Int32Array = processGate): void {
  while (Atomics.load(gate, 0) !== DONE) {
    if (Atomics.compareExchange(gate, 0, FREE, BUSY) !== FREE) {
      Atomics.wait(gate, 0, BUSY);
      continue;
    }
    try {
      work();
      Atomics.store(gate, 0, DONE);
    } catch (error) {
      Atomics.store(gate, 0, FREE);
      throw error;
    } finally {
      Atomics.notify(gate, 0);
    }
  }
}
