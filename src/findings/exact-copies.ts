import type { Collected } from './collect-rows.ts';
import { rowsOfEqualHash } from './identical-rows.ts';
import { hashBodies, type ImageBodies } from './image-bodies.ts';

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
  /** Of rows with equal vectors; the first row of each stands for it in the search for near duplicates. */
  readonly equalVectors: number[][];
  readonly groups: CopyGroup[];
}

/**
 * Candidates are rows with equal vectors; those whose images have equal bytes are exact duplicates. A set of equal
 * vectors can hold several such groups, and rows that have only their vector in common with the rest.
 */
export async function findExactCopies(rows: Collected, bodies: ImageBodies): Promise<ExactCopies> {
  const equalVectors = rowsOfEqualHash(rows.hashes, rows.count);
  const hashes = await hashBodies(bodies, equalVectors.flat());
  const groups: CopyGroup[] = [];
  for (const rowsOfOne of equalVectors) {
    const byHash = new Map<string, number[]>();
    for (const row of rowsOfOne) {
      const sha256 = hashes.get(row)?.sha256;
      if (sha256 === undefined) continue;
      const same = byHash.get(sha256);
      if (same === undefined) byHash.set(sha256, [row]);
      else same.push(row);
    }
    for (const [sha256, same] of byHash) {
      if (same.length < 2) continue;
      const { bytes } = hashes.get(same[0]!)!;
      groups.push({ rows: same, match: 'same_bytes', sha256, bytes });
    }
    const isAllRead = rowsOfOne.every((row) => hashes.has(row));
    if (isAllRead && byHash.size === 1) continue;
    const reason = isAllRead ? 'bytes differ' : 'not all could be read';
    groups.push({ rows: rowsOfOne, match: 'same_features', reason });
  }
  return { equalVectors, groups };
}
