import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, RunError } from '../errors.ts';
import { readJsonFile } from '../json.ts';
import type { JobShard } from '../options/option-values.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { storageError } from '../storage/storage-error.ts';
import { pairByOrigin } from './compare-utf8.ts';
import { describeDifference, fingerprint, type RunIdentity } from './fingerprint.ts';
import { entriesOf, type Manifest, readManifest, writeManifest } from './manifest.ts';
import type { ShardPlan } from './plan-shards.ts';
import { UPDATE_FOLDER } from './promote-update.ts';

export interface OpenRunOptions {
  readonly identity: RunIdentity;
  readonly manifest: Manifest;
  /** Of all images, also where a job computes a part of them. */
  readonly plan: ShardPlan;
  /** Set where this run is one of several jobs. */
  readonly job?: JobShard | undefined;
  /** Values in each vector, by output. */
  readonly lengths: readonly number[];
  /** Discard the state of an earlier run. */
  readonly overwrite: boolean;
}

/** identity.json */
export interface RunIdentityFile {
  readonly format: 1;
  readonly fingerprint: string;
  readonly identity: RunIdentity;
  readonly lengths: readonly number[];
  readonly manifestSha256: string;
  readonly images: number;
  readonly shards: number;
  /** Images in each shard but the last. */
  readonly shardRows: number;
}

/** Starts again: empties the work folder and writes what the run is. @throws ExportError */
export async function startRunState(dir: string, options: OpenRunOptions): Promise<void> {
  // identity.json is removed first and written last: without it, nothing else in the folder counts.
  try {
    await rm(join(dir, 'identity.json'), { force: true });
    await rm(join(dir, 'finished.json'), { force: true });
    await rm(join(dir, UPDATE_FOLDER), { recursive: true, force: true });
    for (const name of await readdir(join(dir, 'shards'))) await rm(join(dir, 'shards', name));
  } catch (error) {
    throw storageError(error, 'the work folder', dir);
  }
  await writeManifest(join(dir, 'manifest.jsonl'), options.manifest);
  const identity = JSON.stringify(identityOf(options), null, 2);
  await writeDurably(join(dir, 'identity.json'), 'the identity of the run', `${identity}\n`);
}

/** What the run in the folder is; undefined when none was completely written. @throws RunError for a file of another version */
export async function readRunIdentity(dir: string): Promise<RunIdentityFile | undefined> {
  const path = join(dir, 'identity.json');
  try {
    const identity = readJsonFile(path) as RunIdentityFile;
    if (isSound(identity)) return identity;
    throw new Error(`another one (format ${identity?.format})`);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new RunError(`Expected a run of this version in ${path} but found ${String(error)}.`, {
      cause: error,
      fix: 'Start again with --overwrite.',
    });
  }
}

/** Whether its numbers add up. */
function isSound(file: RunIdentityFile): boolean {
  const { images, shards, shardRows, lengths } = file;
  const counts = [images, shards, shardRows, ...lengths];
  const isCut = images === 0 ? shards === 0 : shards === Math.ceil(images / shardRows);
  const isKnown = file.format === 1 && typeof file.identity === 'object';
  return isKnown && counts.every((count) => Number.isSafeInteger(count) && count >= 0) && isCut;
}

/** Whether the run in the folder was published. */
export function isFinished(dir: string): boolean {
  return existsSync(join(dir, 'finished.json'));
}

/** Whether a run in a work folder is the one that these options and images make. */
export function isSameRun(before: RunIdentityFile, options: OpenRunOptions): boolean {
  const now = identityOf(options);
  return (
    before.fingerprint === now.fingerprint &&
    before.manifestSha256 === now.manifestSha256 &&
    cutOf(before) === cutOf(now)
  );
}

/** What can be compared before the images are listed. @throws RunError that names each option or model in which the two runs differ */
export function refuseOtherOptions(
  dir: string,
  { identity: before }: RunIdentityFile,
  now: RunIdentity,
): void {
  refuse(dir, describeDifference(before, now));
}

/** @throws RunError that names each option, model or image in which the two runs differ */
export async function refuseOtherRun(
  dir: string,
  before: RunIdentityFile,
  options: OpenRunOptions,
): Promise<void> {
  const now = identityOf(options);
  const differences = describeDifference(before.identity, now.identity);
  if (before.manifestSha256 !== now.manifestSha256) {
    const old = await readManifest(join(dir, 'manifest.jsonl'));
    differences.push(describeManifestDifference(old, options.manifest));
  }
  if (differences.length === 0 && cutOf(before) !== cutOf(now)) {
    differences.push('it was cut differently by another version of img2features');
  }
  refuse(dir, differences);
}

function refuse(dir: string, differences: readonly string[]): void {
  if (differences.length === 0) return;
  throw new RunError(
    `Expected the run in ${dir} to have the same options and images but found: ${differences.join('; ')}.`,
    {
      fix: 'Use the same options to resume or update it, --overwrite to start again, or another --out.',
    },
  );
}

function identityOf({ identity, manifest, plan, lengths }: OpenRunOptions): RunIdentityFile {
  return {
    format: 1,
    fingerprint: fingerprint(identity),
    identity,
    lengths,
    manifestSha256: manifest.sha256,
    images: manifest.count,
    shards: plan.shards.length,
    shardRows: plan.shards[0]?.end ?? 0,
  };
}

function cutOf({ shards, shardRows, lengths }: RunIdentityFile): string {
  return [shards, shardRows, ...lengths].join();
}

/** Says in one phrase how the images differ: `the images changed: 3 added (a.jpg …), 1 removed (b.jpg), 0 changed`. */
export function describeManifestDifference(before: Manifest, now: Manifest): string {
  const found = { added: [] as string[], removed: [] as string[], changed: [] as string[] };
  const counts = { added: 0, removed: 0, changed: 0 };
  const note = (kind: keyof typeof counts, origin: string): void => {
    counts[kind]++;
    if (found[kind].length === 0) found[kind].push(origin);
  };
  for (const [old, current] of pairByOrigin(entriesOf(before), entriesOf(now))) {
    if (current === undefined) note('removed', old.origin);
    else if (old === undefined) note('added', current.origin);
    else if (old.size !== current.size || old.version !== current.version) {
      note('changed', old.origin);
    }
  }
  const phrases = (['added', 'removed', 'changed'] as const)
    .filter((kind) => counts[kind] > 0)
    .map((kind) => `${counts[kind]} ${kind} (${found[kind][0]}${counts[kind] > 1 ? ' …' : ''})`);
  // Same images: then it is what the listing says about them, or the files it could not take.
  return `images: ${phrases.length > 0 ? phrases.join(', ') : 'their folders, labels or rejected names differ'}`;
}
