import type { RunEvent } from '../events.ts';
import { type Manifest, ManifestBuilder } from '../run/manifest.ts';
import type { Source } from '../source/source.ts';

export interface ListImagesOptions {
  readonly limit: number | undefined;
  readonly signal: AbortSignal;
  /** Gets what was found, and each image that the listing had to reject. */
  readonly onEvent?: (event: RunEvent) => void;
}

/** Reads the whole listing of a source (names and sizes, no bodies) and freezes it in row order. */
export async function listImages(
  source: Source,
  { limit, signal, onEvent = () => {} }: ListImagesOptions,
): Promise<Manifest> {
  const builder = new ManifestBuilder();
  for await (const listed of source.list(signal)) builder.add(listed);
  const manifest = builder.freeze(limit);
  const { count, bytes, rejections, ignored } = manifest;
  onEvent({ event: 'listed', images: count, rejected: rejections.length, ignored, bytes });
  for (const rejection of rejections) onEvent({ event: 'rejected', ...rejection });
  return manifest;
}
