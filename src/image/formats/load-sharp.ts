import type { Sharp, SharpOptions } from 'sharp';
import { RunError } from '../../errors.ts';
import { oncePerProcess } from './once-per-process.ts';

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
