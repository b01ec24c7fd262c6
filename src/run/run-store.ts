import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RunError } from '../errors.ts';
import type { FileLock } from '../files/lock-file.ts';
import type { FeatureBlock, FeatureBlocks } from '../reduce/passes/row-passes.ts';
import { removeStaleTemps, writeDurably } from '../storage/durable-file.ts';
import { lockWorkFolder } from './lock-work-folder.ts';
import { planOfJob, type Shard, type ShardPlan } from './plan-shards.ts';
import { isPublishing, promoteUpdate } from './promote-update.ts';
import {
  type OpenRunOptions,
  readRunIdentity,
  refuseOtherRun,
  startRunState,
} from './run-identity.ts';
import { readShardFile, readShardOutput, type ShardRows, writeShardFile } from './shard-file.ts';
import {
  expectAllRecords,
  expectWholeShard,
  type FoundShards,
  findShards,
  type ShardContent,
  type ShardRecord,
  sealJson,
  shardPath,
  soundRecord,
} from './shard-records.ts';

/** Name of the work folder inside a run's output; dot-prefixed, so that readers of the output skip it. */
export const WORK_FOLDER = '.img2features';

/**
 * The work folder of a run: what is done so far; a kill at any moment cannot damage it.
 *
 *     identity.json         what the run is; written last when a run starts
 *     manifest.jsonl        its images
 *     shards/00000.bin      rows (see shard-file.ts), then
 *     shards/00000.json     its record: a shard counts from here on
 *     finished.json         the run is complete; the .bin files are removed
 *     update/               an update of the finished run, in the same form (see pipeline/update/)
 *     lock                  who is writing
 */
export class RunStore {
  /** `finished`: everything was done and published before; only records are left. */
  readonly state: 'fresh' | 'resumed' | 'finished';
  /** The shards of this run, or of this job. */
  readonly plan: ShardPlan;
  /** One sentence for each shard that is computed again because its file was damaged. */
  readonly damaged: readonly string[];
  readonly #dir: string;
  readonly #lengths: readonly number[];
  readonly #lock: FileLock;
  readonly #records: Map<number, ShardRecord>;
  /** Shards whose bytes were checked against their hash by this process. */
  readonly #checked = new Set<number>();

  private constructor(
    dir: string,
    options: OpenRunOptions,
    lock: FileLock,
    state: RunStore['state'],
    found: FoundShards,
  ) {
    this.#dir = dir;
    this.plan = ownPlan(options);
    this.#lengths = options.lengths;
    this.#lock = lock;
    this.state = state;
    this.#records = found.records;
    this.damaged = found.damaged;
    if (state === 'resumed') {
      for (const id of found.records.keys()) this.#checked.add(id);
    }
  }

  /** True when a run was started in this work folder, even if it did not finish. */
  static async isIn(dir: string): Promise<boolean> {
    return (await readRunIdentity(dir)) !== undefined;
  }

  /**
   * Locks the work folder, then starts a run in it or resumes the one that is there.
   *
   * @param dir the work folder: `join(out, WORK_FOLDER)`
   * @throws RunError when another process uses it, or when the run there differs in options, model or
   *   input (the message says in what); ExportError when the folder cannot be written
   */
  static async open(dir: string, options: OpenRunOptions): Promise<RunStore> {
    const lock = await lockWorkFolder(dir);
    try {
      await removeStaleTemps(dir);
      await removeStaleTemps(join(dir, 'shards'));
      if (!options.overwrite) await settleUpdate(dir);
      const before = options.overwrite ? undefined : await readRunIdentity(dir);
      if (before === undefined) {
        await startRunState(dir, options);
        return new RunStore(dir, options, lock, 'fresh', { records: new Map(), damaged: [] });
      }
      await refuseOtherRun(dir, before, options);
      return await RunStore.#goOn(dir, options, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  static async #goOn(dir: string, options: OpenRunOptions, lock: FileLock): Promise<RunStore> {
    const { lengths } = options;
    const plan = ownPlan(options);
    const isFinished = existsSync(join(dir, 'finished.json'));
    const found = await findShards(dir, plan, { withRows: !isFinished, lengths });
    if (isFinished) expectAllRecords(dir, plan, found);
    const store = new RunStore(dir, options, lock, isFinished ? 'finished' : 'resumed', found);
    // Left when the run was killed right at its end.
    if (isFinished) await store.#dropRows();
    return store;
  }

  isCommitted(id: number): boolean {
    return this.#records.has(id);
  }

  /** @throws RunError when the shard is not committed */
  shardRecord(id: number): ShardRecord {
    const record = this.#records.get(id);
    if (record === undefined)
      throw new RunError(`Expected shard ${id} to be done but found it open.`);
    return record;
  }

  /** A shard of this run's own. */
  shard(id: number): Shard {
    return this.plan.shards[id - this.plan.shards[0].id];
  }

  /**
   * Makes a shard durable: rows first, then the record that commits them.
   *
   * @param halvedTo see ShardRecord
   * @throws RunError when a position of the shard is missing, doubled or foreign
   */
  async writeShard(id: number, content: ShardContent, halvedTo?: number): Promise<ShardRecord> {
    expectWholeShard(this.shard(id), content, this.#lengths, this.plan.views);
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
      ...(halvedTo !== undefined && { halvedTo }),
    };
    await writeDurably(this.#pathOf(id, 'json'), `shard ${id}`, sealJson(record));
    this.#records.set(id, record);
    return record;
  }

  /**
   * The rows of a committed shard: views over one buffer, nothing copied. The first read checks the hash.
   *
   * @throws RunError when the file is damaged; the shard is open again then, and the next run computes it again
   */
  async readShard(id: number): Promise<ShardRows> {
    const { rows, lengths, sha256 } = this.shardRecord(id);
    const path = this.#pathOf(id, 'bin');
    const expected = this.#checked.has(id) ? undefined : sha256;
    const found = await readShardFile(path, rows, lengths, expected).catch(() => undefined);
    if (found === undefined) throw await this.#setAside(id, path);
    this.#checked.add(id);
    return found;
  }

  /** Rows of all shards, which are committed. */
  get rows(): number {
    return this.plan.shards.reduce((sum, { id }) => sum + this.shardRecord(id).rows, 0);
  }

  /**
   * All vectors of one output, shard by shard in row order; one shard in memory at a time.
   * @param step every row, or of so many the first
   */
  featureBlocks(output: number, step = 1): FeatureBlocks {
    const { shards } = this.plan;
    const count = this.rows / step;
    const blocks = async function* (this: RunStore): AsyncGenerator<FeatureBlock> {
      for (const { id } of shards) {
        const n = this.shardRecord(id).rows;
        if (n > 0) yield everyRow({ values: await this.#readOutput(id, output), n }, step);
      }
    };
    return { dims: this.#lengths[output], count, blocks: blocks.bind(this) };
  }

  /**
   * Ends a run whose output is published, `_SUCCESS` included: drops the rows (they are in the output
   * now) and keeps identity, list of images and records, which a later run needs to find what changed.
   */
  async finish(): Promise<void> {
    await writeDurably(
      join(this.#dir, 'finished.json'),
      'the end of the run',
      '{"finished":true}\n',
    );
    await this.#dropRows();
  }

  /** The committed files of a shard: its rows, and its record as text. */
  async storedShard(id: number): Promise<{ readonly rows: string; readonly record: string }> {
    const record = await readFile(this.#pathOf(id, 'json'), 'utf8');
    return { rows: this.#pathOf(id, 'bin'), record };
  }

  /**
   * Commits a shard that another run has stored.
   * @param record the text of its record
   * @param place puts the file of its rows at a path
   * @returns false where the two do not match each other or the shard
   */
  async adoptShard(
    id: number,
    record: string,
    place: (path: string) => Promise<void>,
  ): Promise<boolean> {
    const path = this.#pathOf(id, 'bin');
    await place(path);
    const options = { withRows: true, lengths: this.#lengths };
    const shard = this.shard(id);
    const sound = await soundRecord(this.#dir, record, shard, this.plan.views, options);
    if (sound === undefined) {
      await rm(path, { force: true });
      return false;
    }
    await writeDurably(this.#pathOf(id, 'json'), `shard ${id}`, sealJson(sound));
    this.#records.set(id, sound);
    this.#checked.add(id);
    return true;
  }

  /** Releases the lock. What is committed stays for the next start. */
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
    this.#records.delete(id);
    this.#checked.delete(id);
    await rm(this.#pathOf(id, 'json'), { force: true });
    return new RunError(`Expected the rows of shard ${id} in ${path} but found a damaged file.`, {
      fix: 'Run the same command again: it computes that shard again.',
    });
  }

  #pathOf(id: number, extension: 'bin' | 'json'): string {
    return shardPath(this.#dir, id, extension);
  }
}

/** All shards, or those of the job. */
function ownPlan({ plan, job }: OpenRunOptions): ShardPlan {
  return job === undefined ? plan : planOfJob(plan, job);
}

/** Of so many rows the first, and so on; views of what is given where that is all. */
export function everyRow({ values, n }: FeatureBlock, step: number): FeatureBlock {
  if (step === 1) return { values, n };
  const length = values.length / n;
  const kept = new Float32Array((n / step) * length);
  for (let row = 0; row < n; row += step) {
    kept.set(values.subarray(row * length, (row + 1) * length), (row / step) * length);
  }
  return { values: kept, n: n / step };
}

/** An update that was stopped while it replaced the table: it is completed here, or it must be resumed. */
async function settleUpdate(dir: string): Promise<void> {
  await promoteUpdate(dir);
  if (!isPublishing(dir)) return;
  throw new RunError(
    `Expected a whole table of the run in ${dir} but found an update that was stopped while it replaced it.`,
    { fix: 'Give --update to resume it, or --overwrite to compute the table again.' },
  );
}
