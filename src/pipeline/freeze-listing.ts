import { type Manifest, ManifestBuilder } from '../run/manifest.ts';
import type { Source } from '../source/source.ts';

/** Reads the whole listing of a source (names and sizes, no bodies) and freezes it in row order. */
export async function freezeListing(
  source: Source,
  limit: number | undefined,
  signal: AbortSignal,
): Promise<Manifest> {
  const builder = new ManifestBuilder();
  for await (const listed of source.list(signal)) builder.add(listed);
  return builder.freeze(limit);
}
