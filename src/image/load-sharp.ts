import type { Sharp, SharpOptions } from 'sharp';
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
    return sharp as SharpFactory;
  })();
  return loading;
}

/** Opens the TIFF loader as well: only for users who asked for TIFF. */
export async function unblockTiff(): Promise<void> {
  await loadSharp();
  const { default: sharp } = await import('sharp');
  sharp.unblock({ operation: ['VipsForeignLoadTiffBuffer'] });
}
