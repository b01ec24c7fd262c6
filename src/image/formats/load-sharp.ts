import type { Sharp, SharpOptions } from 'sharp';
import { RunError } from '../../errors.ts';
import { oncePerProcess } from './once-per-process.ts';

type SharpFactory = (input: Uint8Array, options: SharpOptions) => Sharp;

/** The loaders of libvips that stay open; all others are blocked for the whole process. */
const WANTED_LOADERS = [
  'VipsForeignLoadJpegBuffer',
  'VipsForeignLoadPngBuffer',
  'VipsForeignLoadWebpBuffer',
];

let loading: Promise<SharpFactory> | undefined;

/**
 * sharp, loaded on first use (60 ms that a folder of small JPEGs never pays) and closed to every
 * format that is not asked for: SVG, PDF, HEIF and the rest of libvips never see the user's bytes.
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

/** The smallest files of formats that libvips reads and that must stay closed, TIFF apart. */
const PROBES = {
  SVG: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'),
  GIF: Buffer.from('R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs=', 'base64'),
};

/** Asserts what the blocking is for: another build of libvips may name its loaders otherwise. */
async function expectClosed(sharp: SharpFactory): Promise<void> {
  for (const [name, bytes] of Object.entries(PROBES)) {
    const format = await sharp(bytes, {})
      .metadata()
      .then(
        ({ format }) => format,
        () => undefined,
      );
    if (format === undefined) continue;
    throw new RunError(`Expected libvips to be closed to ${name} but it opened one as ${format}.`, {
      fix: 'Install the locked dependencies again (npm ci): no image is read through this one.',
    });
  }
}

/** Opens the TIFF loader as well: only for users who asked for TIFF. */
export async function unblockTiff(): Promise<void> {
  await loadSharp();
  const { default: sharp } = await import('sharp');
  sharp.unblock({ operation: ['VipsForeignLoadTiffBuffer'] });
}
