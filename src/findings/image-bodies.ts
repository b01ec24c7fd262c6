import { createHash } from 'node:crypto';

/** Reads the bytes of images again, where they are still available and unchanged. */
export interface ImageBodies {
  /** Most images to read again: requests to a store cost money. */
  readonly limit: number;
  /** Most reads in flight at once. */
  readonly inFlight: number;
  /** The bytes of a row's image; undefined when it is missing, changed or not reachable. */
  read(row: number): Promise<Uint8Array | undefined>;
}

/** SHA-256 (hex) and size by row, of those rows that could be read; the first `limit` are tried. */
export async function hashBodies(
  bodies: ImageBodies,
  rows: readonly number[],
): Promise<Map<number, { readonly sha256: string; readonly bytes: number }>> {
  const hashes = new Map<number, { sha256: string; bytes: number }>();
  const left = rows.slice(0, bodies.limit).values();
  const readNext = async (): Promise<void> => {
    for (const row of left) {
      const body = await bodies.read(row);
      if (body === undefined) continue;
      const sha256 = createHash('sha256').update(body).digest('hex');
      hashes.set(row, { sha256, bytes: body.byteLength });
    }
  };
  await Promise.all(Array.from({ length: bodies.inFlight }, readNext));
  return hashes;
}
