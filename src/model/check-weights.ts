import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { open } from 'node:fs/promises';
import { ModelError } from '../errors.ts';
import { addNote, readNotes } from '../runtime/cache-dir.ts';
import { shapeSize } from './count-values.ts';
import type { WeightSpec } from './model-folder.ts';
import { WeightDigest } from './weight-digest.ts';

const BUFFER_BYTES = 4 * 1024 * 1024;
/** So few bytes are hashed as fast as a note of their hash is read. */
const NOTED_BYTES = 8 * 1024 * 1024;
/** A file may change again within one tick of its clock: 2 s on the coarsest file systems. */
const SETTLED_NS = 2_000_000_000n;
const NOTES = 'weights';

export interface Shard {
  readonly path: string;
  readonly stats: BigIntStats;
}

/** What distinguishes one state of a file from another without reading it. */
export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

/**
 * SHA-256 over the shards' bytes, one after the other, hex; every value is also checked to be finite. The result
 * is kept in the cache folder by what the files are (`stampOf`), so that the next process need not read them.
 * @param weights in the order of their bytes
 * @param isFresh read the shards even where their SHA-256 was kept
 * @throws ModelError for a shard that cannot be read, and for NaN or infinity
 */
export async function hashWeights(
  {
    shards,
    weights,
    dir,
  }: { shards: readonly Shard[]; weights: readonly WeightSpec[]; dir: string },
  { isFresh = false, signal }: { readonly isFresh?: boolean; readonly signal?: AbortSignal } = {},
): Promise<string> {
  const stamps = shards.map(({ stats }) => stampOf(stats)).join(' ');
  const key = createHash('sha256').update(stamps).digest('hex');
  const bytes = shards.reduce((sum, { stats }) => sum + Number(stats.size), 0);
  const isNoted = bytes >= NOTED_BYTES;
  const known = isNoted && !isFresh ? (await readNotes<string>(NOTES))[key] : undefined;
  if (/^[0-9a-f]{64}$/.test(String(known))) return known!;

  const startedNs = BigInt(Date.now()) * 1_000_000n;
  const digest = new WeightDigest();
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (const shard of shards) await digestShard(digest, shard, buffer, signal);
  const { bad } = digest;
  if (bad !== undefined) throw refuseNotFinite(dir, weights, bad);
  const sha256 = digest.hex();
  const isSettled = shards.every(({ stats }) => startedNs - stats.ctimeNs > SETTLED_NS);
  if (isNoted && isSettled) await addNote(NOTES, key, sha256);
  return sha256;
}

async function digestShard(
  digest: WeightDigest,
  { path, stats }: Shard,
  buffer: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    const file = await open(path, 'r');
    try {
      for (;;) {
        signal?.throwIfAborted();
        const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) break;
        digest.update(buffer.subarray(0, bytesRead));
      }
      expectSameFile(path, stampOf(stats), await file.stat({ bigint: true }));
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (signal?.aborted || cause instanceof ModelError) throw cause;
    throw new ModelError(`Expected to read ${path} but found: ${(cause as Error).message}.`, {
      cause,
    });
  }
}

/** @throws ModelError where the file is no longer the one of the stamp */
export function expectSameFile(path: string, stamp: string, stats: BigIntStats): void {
  if (stampOf(stats) === stamp) return;
  throw new ModelError(
    `Expected ${path} to stay as it is while the model is loaded but found it changed.`,
    { fix: 'Wait until nothing writes to the model folder, then start again.' },
  );
}

/** The error for a value that no trained network has; a rectifier would hide its effect. */
export function refuseNotFinite(
  where: string,
  weights: readonly WeightSpec[],
  { position, value }: NonNullable<WeightDigest['bad']>,
): ModelError {
  let at = position;
  const spec = weights.find(({ shape }) => {
    const length = shapeSize(shape);
    if (at < length) return true;
    at -= length;
    return false;
  });
  return new ModelError(
    `Expected finite weights for ${where} but found ${value} at value ${at} of ${spec?.name}.`,
    {
      fix: 'The file is damaged, or its training had failed: make the model from an undamaged file or an earlier checkpoint.',
    },
  );
}
