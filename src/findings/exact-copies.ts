import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MeasuredPair } from './near-pairs.ts';

/** Rows that are the same image. */
export interface CopyGroup {
  /** Ascending, two and more. */
  readonly rows: number[];
  /** same_bytes: their SHA-256 is this; same_features: only their vectors are known to be equal. */
  readonly match: 'same_bytes' | 'same_features';
  readonly sha256?: string;
  readonly bytes?: number;
  /** Why a group is not confirmed by its bytes. */
  readonly reason?: 'bytes differ' | 'not all could be read';
}

export interface ExactCopies {
  /** Of rows with equal vectors; the first row of each represents it in the search for near duplicates. */
  readonly equalVectors: readonly number[][];
  /** Those with the same bytes come first. */
  readonly groups: CopyGroup[];
  /** Whether two rows are known to have the same bytes. */
  hasSameBytes(a: number, b: number): boolean;
}

/**
 * Candidates are rows with equal vectors, and pairs that may differ only in the last bits of a network's output; those whose
 * images have equal bytes are exact duplicates. A set of equal vectors can hold several such groups, and rows that have
 * only their vector in common with the rest.
 * @param close pairs within SAME_IMAGE of each other
 */
export async function findExactCopies(
  equalVectors: readonly number[][],
  close: readonly Pick<MeasuredPair, 'a' | 'b'>[],
  bodies: ImageBodies,
): Promise<ExactCopies> {
  const candidates = new Set([...equalVectors.flat(), ...close.flatMap(({ a, b }) => [a, b])]);
  const hashes = await hashBodies(bodies, [...candidates]);
  const byHash = new Map<string, { rows: number[]; bytes: number }>();
  for (const [row, { sha256, bytes }] of hashes) {
    const same = byHash.get(sha256);
    if (same === undefined) byHash.set(sha256, { rows: [row], bytes });
    else same.rows.push(row);
  }
  const sameBytes = [...byHash]
    .filter(([, { rows }]) => rows.length > 1)
    .map(([sha256, { rows, bytes }]): CopyGroup => {
      return { rows: rows.sort((a, b) => a - b), match: 'same_bytes', sha256, bytes };
    })
    .sort((x, y) => x.rows[0] - y.rows[0]);
  const sameFeatures = equalVectors.flatMap((rows): CopyGroup[] => {
    const isAllRead = rows.every((row) => hashes.has(row));
    const isOne = new Set(rows.map((row) => hashes.get(row)?.sha256)).size === 1;
    if (isAllRead && isOne) return [];
    const reason = isAllRead ? 'bytes differ' : 'not all could be read';
    return [{ rows, match: 'same_features', reason }];
  });
  return {
    equalVectors,
    groups: [...sameBytes, ...sameFeatures],
    hasSameBytes: (a, b) => hashes.has(a) && hashes.get(a)!.sha256 === hashes.get(b)?.sha256,
  };
}

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
async function hashBodies(
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
      // Files are read without a pause: the table is still being written meanwhile.
      if (hashes.size % 64 === 0) await nextTurn();
    }
  };
  await Promise.all(Array.from({ length: bodies.inFlight }, readNext));
  return hashes;
}
