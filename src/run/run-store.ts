import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, RunError } from '../errors.ts';
import { removeStaleTemps, writeDurably } from '../export/durable-file.ts';
import { storageError } from '../export/storage-error.ts';
import type { ImageRejection } from '../image/decoded-chunk.ts';
import type { FeatureBlock, FeatureBlocks } from '../reduce/feature-blocks.ts';
import { describeDifference, fingerprint, type RunIdentity } from './fingerprint.ts';
import { type Manifest, readManifest, writeManifest } from './manifest.ts';
import { describeManifestDifference } from './manifest-difference.ts';
import type { Shard, ShardPlan } from './plan-shards.ts';
import { acquireRunLock, type RunLock } from './run-lock.ts';
import { readShardFile, readShardOutput, type ShardRows, writeShardFile } from './shard-file.ts';

/** Name of the work folder inside a run's output; dot-prefixed, so that readers of the output skip it. */
export const WORK_FOLDER = '.img2features';

/** The small file that commits a shard. */
export interface ShardRecord {
  readonly id: number;
  readonly rows: number;
  /** Values in each vector, by output. */
  readonly lengths: readonly number[];
  readonly rejections: readonly ImageRejection[];
  readonly bytes: number;
  /** SHA-256 of the shard's file, hex. */
  readonly sha256: string;
}

/** What `writeShard` takes: every position of the shard is either a row or a rejection. */
export interface ShardContent {
  /** Manifest positions of the rows, ascending. */
  readonly indices: readonly number[] | Uint32Array;
  /** For each output float32 [n, length], row-major. */
  readonly outputs: readonly Float32Array[];
  readonly rejections: readonly ImageRejection[];
}

export interface OpenRunOptions {
  readonly identity: RunIdentity;
  readonly manifest: Manifest;
  readonly plan: ShardPlan;
  /** Values in each vector, by output. */
  readonly lengths: readonly number[];
  /** Throw away what an earlier run left. */
  readonly overwrite: boolean;
}

interface Identity {
  readonly format: 1;
  readonly fingerprint: string;
  readonly identity: RunIdentity;
  readonly lengths: readonly number[];
  readonly manifestSha256: string;
  readonly images: number;
  readonly shards: number;
}

/**
 * The work folder of a run: what is done so far, safe against kills at any moment.
 *
 *     identity.json         what the run is; written last when a run is laid out
 *     manifest.jsonl        its images
 *     shards/00000.bin      rows (see shard-file.ts), then
 *     shards/00000.json     its record: a shard counts from here on
 *     finished.json         the run is complete; the .bin files are gone
 *     lock                  who is writing
 */
export class RunStore {
  /** `finished`: everything was done and published before; only records are left. */
  readonly state: 'fresh' | 'resumed' | 'finished';
  readonly plan: ShardPlan;
  /** One sentence for each shard that was set aside because its file was damaged. */
  readonly damaged: readonly string[];
  readonly #dir: string;
  readonly #lengths: readonly number[];
  readonly #lock: RunLock;
  readonly #records: (ShardRecord | undefined)[];
  /** Shards whose bytes were checked against their hash by this process. */
  readonly #checked = new Set<number>();

  private constructor(
    dir: string,
    options: OpenRunOptions,
    lock: RunLock,
    found: { state: RunStore['state']; records: (ShardRecord | undefined)[]; damaged: string[] },
  ) {
    this.#dir = dir;
    this.plan = options.plan;
    this.#lengths = options.lengths;
    this.#lock = lock;
    this.state = found.state;
    this.#records = found.records;
    this.damaged = found.damaged;
    if (found.state === 'resumed') {
      for (const record of found.records) if (record) this.#checked.add(record.id);
    }
  }

  /**
   * Locks the work folder, then starts a run in it or goes on with the one that is there.
   *
   * @param dir the work folder: `join(out, WORK_FOLDER)`
   * @throws RunError when another process is at it, or when the run there differs in options, model or
   *   input (the message says in what); ExportError when the folder cannot be written
   */
  static async open(dir: string, options: OpenRunOptions): Promise<RunStore> {
    try {
      await mkdir(join(dir, 'shards'), { recursive: true });
    } catch (error) {
      throw storageError(error, 'the work folder', dir);
    }
    const lock = await acquireRunLock(join(dir, 'lock'), dir);
    try {
      await removeStaleTemps(dir);
      await removeStaleTemps(join(dir, 'shards'));
      const before = options.overwrite ? undefined : await readIdentity(dir);
      if (before === undefined) {
        await layOut(dir, options);
        const records = options.plan.shards.map(() => undefined);
        return new RunStore(dir, options, lock, { state: 'fresh', records, damaged: [] });
      }
      await refuseDifference(dir, before, options);
      const store = new RunStore(dir, options, lock, await findShards(dir, options));
      if (store.state === 'finished') await store.#dropRows();
      return store;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  isCommitted(id: number): boolean {
    return this.#records[id] !== undefined;
  }

  /** @throws RunError when the shard is not committed */
  shardRecord(id: number): ShardRecord {
    const record = this.#records[id];
    if (record === undefined)
      throw new RunError(`Expected shard ${id} to be done but found it open.`);
    return record;
  }

  /**
   * Makes a shard durable: rows first, then the record that commits them.
   *
   * @throws RunError when a position of the shard is missing, doubled or foreign
   */
  async writeShard(id: number, content: ShardContent): Promise<ShardRecord> {
    expectWhole(this.plan.shards[id], content, this.#lengths);
    const indices = Uint32Array.from(content.indices);
    const written = await writeShardFile(this.#pathOf(id, 'bin'), `shard ${id}`, {
      indices,
      outputs: content.outputs,
    });
    const record: ShardRecord = {
      id,
      rows: indices.length,
      lengths: this.#lengths,
      rejections: content.rejections,
      bytes: written.bytes,
      sha256: written.sha256,
    };
    await writeDurably(this.#pathOf(id, 'json'), `shard ${id}`, `${JSON.stringify(record)}\n`);
    this.#records[id] = record;
    return record;
  }

  /**
   * The rows of a committed shard: views over one buffer, nothing copied. The first read checks the hash.
   *
   * @throws RunError when the file is damaged; the shard is open again then, and the next run computes it anew
   */
  async readShard(id: number): Promise<ShardRows> {
    const { rows, lengths, sha256 } = this.shardRecord(id);
    const path = this.#pathOf(id, 'bin');
    const found = await readShardFile(path, rows, lengths, sha256).catch(() => undefined);
    if (found === undefined) throw await this.#setAside(id, path);
    this.#checked.add(id);
    return found;
  }

  /** All vectors of one output, shard by shard in row order; one shard in memory at a time. */
  featureBlocks(output: number): FeatureBlocks {
    const { shards } = this.plan;
    const count = shards.reduce((sum, { id }) => sum + this.shardRecord(id).rows, 0);
    const blocks = async function* (this: RunStore): AsyncGenerator<FeatureBlock> {
      for (const { id } of shards) {
        const n = this.shardRecord(id).rows;
        if (n > 0) yield { values: await this.#readOutput(id, output), n };
      }
    };
    return { dims: this.#lengths[output], count, blocks: blocks.bind(this) };
  }

  /**
   * Ends a run whose output is published, `_SUCCESS` included: drops the rows (they are in the output
   * now) and keeps identity, list of images and records, which a later run needs to tell what changed.
   */
  async finish(): Promise<void> {
    await writeDurably(
      join(this.#dir, 'finished.json'),
      'the end of the run',
      '{"finished":true}\n',
    );
    await this.#dropRows();
  }

  /** Gives the lock back. What is committed stays for the next start. */
  async close(): Promise<void> {
    await this.#lock.release();
  }

  async #readOutput(id: number, output: number): Promise<Float32Array> {
    if (!this.#checked.has(id)) return (await this.readShard(id)).outputs[output];
    const { rows, lengths } = this.shardRecord(id);
    return readShardOutput(this.#pathOf(id, 'bin'), rows, lengths, output);
  }

  async #dropRows(): Promise<void> {
    for (const { id } of this.plan.shards) await rm(this.#pathOf(id, 'bin'), { force: true });
  }

  async #setAside(id: number, path: string): Promise<RunError> {
    this.#records[id] = undefined;
    this.#checked.delete(id);
    await rm(this.#pathOf(id, 'json'), { force: true });
    return new RunError(`Expected the rows of shard ${id} in ${path} but found a damaged file.`, {
      fix: 'Run the same command again: it computes that shard anew.',
    });
  }

  #pathOf(id: number, extension: 'bin' | 'json'): string {
    return shardPath(this.#dir, id, extension);
  }
}

function shardPath(dir: string, id: number, extension: 'bin' | 'json'): string {
  return join(dir, 'shards', `${String(id).padStart(5, '0')}.${extension}`);
}

function identityOf({ identity, manifest, plan, lengths }: OpenRunOptions): Identity {
  return {
    format: 1,
    fingerprint: fingerprint(identity),
    identity,
    lengths,
    manifestSha256: manifest.sha256,
    images: manifest.count,
    shards: plan.shards.length,
  };
}

async function layOut(dir: string, options: OpenRunOptions): Promise<void> {
  // identity.json goes first and comes last: without it, nothing else in the folder counts.
  try {
    await rm(join(dir, 'identity.json'), { force: true });
    await rm(join(dir, 'finished.json'), { force: true });
    for (const name of await readdir(join(dir, 'shards'))) await rm(join(dir, 'shards', name));
  } catch (error) {
    throw storageError(error, 'the work folder', dir);
  }
  await writeManifest(join(dir, 'manifest.jsonl'), options.manifest);
  const identity = JSON.stringify(identityOf(options), null, 2);
  await writeDurably(join(dir, 'identity.json'), 'the identity of the run', `${identity}\n`);
}

async function readIdentity(dir: string): Promise<Identity | undefined> {
  const path = join(dir, 'identity.json');
  try {
    const identity = JSON.parse(await readFile(path, 'utf8')) as Identity;
    if (identity.format === 1) return identity;
    throw new Error(`format ${identity.format}`);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new RunError(`Expected a run of this version in ${path} but found ${String(error)}.`, {
      cause: error,
      fix: 'Start anew with --overwrite.',
    });
  }
}

async function refuseDifference(
  dir: string,
  before: Identity,
  options: OpenRunOptions,
): Promise<void> {
  const now = identityOf(options);
  const differences = describeDifference(before.identity, now.identity);
  if (before.manifestSha256 !== now.manifestSha256) {
    const old = await readManifest(join(dir, 'manifest.jsonl'));
    differences.push(describeManifestDifference(old, options.manifest));
  }
  if (
    differences.length === 0 &&
    (before.shards !== now.shards || before.lengths.join() !== now.lengths.join())
  ) {
    differences.push('it was cut differently by another version of img2features');
  }
  if (differences.length === 0) return;
  throw new RunError(
    `Expected the run in ${dir} to have the same options and images but found: ${differences.join('; ')}.`,
    { fix: 'Use the same options to go on with it, --overwrite to start anew, or another --out.' },
  );
}

async function findShards(
  dir: string,
  { plan, lengths }: OpenRunOptions,
): Promise<{ state: RunStore['state']; records: (ShardRecord | undefined)[]; damaged: string[] }> {
  const records: (ShardRecord | undefined)[] = [];
  const damaged: string[] = [];
  const isFinished = await exists(join(dir, 'finished.json'));
  for (const { id } of plan.shards) {
    const record = await readRecord(shardPath(dir, id, 'json'), plan.shards[id]);
    records.push(record);
    if (record === undefined || isFinished) continue;
    const path = shardPath(dir, id, 'bin');
    const rows = await readShardFile(path, record.rows, lengths, record.sha256).catch(
      () => undefined,
    );
    if (rows !== undefined) continue;
    damaged.push(`Shard ${id} does not match its record (${path}); its rows are computed again.`);
    records[id] = undefined;
  }
  const isWhole = isFinished && records.every((record) => record !== undefined);
  return { state: isWhole ? 'finished' : 'resumed', records, damaged };
}

async function readRecord(path: string, shard: Shard): Promise<ShardRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(path, 'utf8')) as ShardRecord;
    const isWhole = record.rows + record.rejections.length === shard.end - shard.start;
    return isWhole && record.id === shard.id ? record : undefined;
  } catch {
    // Missing, or torn by a disk that failed: either way its rows are computed again.
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return readFile(path).then(
    () => true,
    () => false,
  );
}

function expectWhole(
  shard: Shard,
  { indices, outputs, rejections }: ShardContent,
  lengths: readonly number[],
): void {
  const seen = new Uint8Array(shard.end - shard.start);
  for (const index of [...indices, ...rejections.map((rejection) => rejection.index)]) {
    if (!(index >= shard.start && index < shard.end)) {
      throw slip(shard.id, `position ${index} outside ${shard.start}–${shard.end - 1}`);
    }
    if (seen[index - shard.start]++) throw slip(shard.id, `position ${index} twice`);
  }
  const missing = seen.indexOf(0);
  if (missing !== -1) throw slip(shard.id, `position ${shard.start + missing} missing`);
  for (let i = 1; i < indices.length; i++) {
    if (indices[i] < indices[i - 1]) throw slip(shard.id, `position ${indices[i]} out of order`);
  }
  lengths.forEach((length, i) => {
    const expected = indices.length * length;
    const found = outputs[i]?.length ?? 0;
    if (found !== expected)
      throw slip(shard.id, `${found} values instead of ${expected} for output ${i}`);
  });
}

function slip(id: number, found: string): RunError {
  return new RunError(
    `Expected each image of shard ${id} once but found ${found}; no row may slip.`,
    {
      fix: 'This is a fault of img2features: please report it with the command that shows it.',
    },
  );
}
