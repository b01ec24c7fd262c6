import { join } from 'node:path';
import { RunError } from '../errors.ts';
import type { ImageRejection } from '../image/decoded-chunk.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { isFinished, type RunIdentityFile, readRunIdentity } from './run-identity.ts';
import { expectAllRecords, findShards, type ShardRecord } from './shard-records.ts';

/** What the work folder of a finished run holds: its images, and the outcome of each. */
export interface FinishedState {
  readonly identity: RunIdentityFile;
  readonly manifest: Manifest;
  /** For each image the number of its first row in the table, or -1 where it was rejected. */
  readonly rowOf: Int32Array;
  /** By position in the manifest. */
  readonly rejections: ReadonlyMap<number, ImageRejection>;
  /** Images with rows. */
  readonly extracted: number;
}

/**
 * Reads what a finished run left in its work folder; call it under the folder's lock.
 *
 * @returns undefined when no run has finished there
 * @throws RunError when part of it is missing
 */
export async function readFinishedState(dir: string): Promise<FinishedState | undefined> {
  const identity = await readRunIdentity(dir);
  if (identity === undefined || !isFinished(dir)) return undefined;
  const manifest = await readManifest(join(dir, 'manifest.jsonl'));
  const records = await readRecords(dir, identity);
  if (manifest.sha256 !== identity.manifestSha256) {
    throw new RunError(
      `Expected the records of the finished run in ${dir} but found another list of images.`,
      { fix: 'Give --overwrite to compute the table again.' },
    );
  }
  return { identity, manifest, ...placeRows(records, manifest.count, viewsOf(identity)) };
}

/** As runIdentity names them. */
function viewsOf({ identity: { views } }: RunIdentityFile): number {
  return typeof views === 'number' ? views : 1;
}

async function readRecords(dir: string, identity: RunIdentityFile): Promise<ShardRecord[]> {
  const { images, shards, shardRows, lengths } = identity;
  const cut = Array.from({ length: shards }, (_, id) => ({
    id,
    start: id * shardRows,
    end: Math.min(images, (id + 1) * shardRows),
  }));
  const plan = { count: images, rowBytes: 0, views: viewsOf(identity), shards: cut, parts: [] };
  return expectAllRecords(dir, plan, await findShards(dir, plan, { withRows: false, lengths }));
}

/** Rows are in the table in the order of the images, without the rejected ones. */
function placeRows(records: readonly ShardRecord[], count: number, views: number) {
  const rejections = new Map<number, ImageRejection>();
  for (const record of records) {
    for (const rejection of record.rejections) rejections.set(rejection.index, rejection);
  }
  const rowOf = new Int32Array(count);
  let extracted = 0;
  for (let index = 0; index < count; index++) {
    rowOf[index] = rejections.has(index) ? -1 : views * extracted++;
  }
  return { rowOf, rejections, extracted };
}
