import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RunError } from '../../errors.ts';
import type { ImageRejection } from '../../image/decoded-chunk.ts';
import type { FinishedState } from '../../run/finished-state.ts';
import type { Manifest } from '../../run/manifest.ts';
import type { Shard } from '../../run/plan-shards.ts';
import type { RunStore } from '../../run/run-store.ts';
import { readShardFile, type ShardRows, writeShardFile } from '../../run/shard-file.ts';
import { openSealed, type ShardContent, sealJson } from '../../run/shard-records.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import { RowReader, type StoredBatch } from './stored-rows.ts';

export interface ReusedRowsOptions {
  /** Where rows wait for those that are computed: `<work folder>/update/reused`. */
  readonly dir: string;
  readonly before: FinishedState;
  readonly manifest: Manifest;
  /** For each image of the new list the old position whose outcome it keeps, or -1. */
  readonly keeps: Int32Array;
  readonly store: RunStore;
  readonly lengths: readonly number[];
}

/** The record that makes a file of waiting rows count. */
interface WaitingRecord {
  readonly rows: number;
  readonly sha256: string;
}

/**
 * What an update reuses from the finished run: rows of its table, and rejections. A shard that
 * needs nothing else is committed at once; of the others the rows wait in a file of their own, so that
 * the old table is read once, before anything is computed, and never again.
 */
export class ReusedRows {
  readonly #options: ReusedRowsOptions;

  constructor(options: ReusedRowsOptions) {
    this.#options = options;
  }

  /** Whether an image of the new list has to be computed. */
  isWanted(index: number): boolean {
    return this.#options.keeps[index] === -1;
  }

  /** What is ready in shards that are not committed yet. */
  countWaiting(): { images: number; rejected: number } {
    const { store, keeps } = this.#options;
    const waiting = { images: 0, rejected: 0 };
    for (const shard of store.plan.shards) {
      if (store.isCommitted(shard.id)) continue;
      for (let i = shard.start; i < shard.end; i++) if (keeps[i] !== -1) waiting.images++;
      waiting.rejected += this.#rejectionsOf(shard).length;
    }
    return waiting;
  }

  /**
   * Takes the rows out of the old table, shard by shard; what an earlier attempt has taken is not read again.
   *
   * @param stored all rows of the old table in order; not read at all where nothing is missing
   * @throws RunError when the table does not hold the rows that its run recorded
   */
  async takeOver(stored: AsyncGenerator<StoredBatch>, signal: AbortSignal): Promise<void> {
    const { store, before, manifest, keeps } = this.#options;
    const reader = new RowReader(stored);
    try {
      for (const shard of store.plan.shards) {
        signal.throwIfAborted();
        if (store.isCommitted(shard.id) || (await this.#readWaiting(shard.id)) !== undefined) {
          continue;
        }
        const { views } = store.plan;
        const indices = this.#keptRows(shard);
        const outputs = this.#options.lengths.map(
          (length) => new Float32Array(indices.length * length),
        );
        for (const [at, index] of indices.entries()) {
          const { origin } = manifest.entry(index);
          const row = before.rowOf[keeps[index]] + (at % views);
          await reader.copyRow({ row, origin, outputs, at });
        }
        await this.#keep(shard, { indices, outputs });
      }
    } finally {
      await stored.return(undefined);
    }
  }

  /** Adds the reused rows to the computed ones of a shard. */
  async complete(id: number, computed: ShardContent): Promise<ShardContent> {
    const { store, lengths } = this.#options;
    const shard = store.plan.shards[id];
    const rejections = [...computed.rejections, ...this.#rejectionsOf(shard)].sort(
      (a, b) => a.index - b.index,
    );
    const expected = this.#keptRows(shard).length;
    if (expected === 0) return { ...computed, rejections };
    const waiting = await this.#readWaiting(id);
    if (waiting?.indices.length !== expected) {
      await rm(this.#pathOf(id, 'json'), { force: true });
      throw new RunError(
        `Expected ${expected} rows of the finished run in ${this.#pathOf(id, 'bin')} but found a damaged file.`,
        { fix: 'Run the same command again: it takes them from the table again.' },
      );
    }
    return { ...mergeRows(waiting, computed, lengths), rejections };
  }

  async #keep(shard: Shard, rows: ShardRows): Promise<void> {
    const rejections = this.#rejectionsOf(shard);
    const images = rows.indices.length / this.#options.store.plan.views;
    if (images + rejections.length === shard.end - shard.start) {
      await this.#options.store.writeShard(shard.id, { ...rows, rejections });
    } else if (rows.indices.length > 0) {
      const name = `rows kept for shard ${shard.id}`;
      const { sha256 } = await writeShardFile(this.#pathOf(shard.id, 'bin'), name, rows);
      const record: WaitingRecord = { rows: rows.indices.length, sha256 };
      await writeDurably(this.#pathOf(shard.id, 'json'), name, sealJson(record));
    }
  }

  async #readWaiting(id: number): Promise<ShardRows | undefined> {
    const text = await readFile(this.#pathOf(id, 'json'), 'utf8').catch(() => '');
    const record = openSealed(text) as WaitingRecord | undefined;
    if (record === undefined) return undefined;
    const { rows, sha256 } = record;
    const { lengths } = this.#options;
    return readShardFile(this.#pathOf(id, 'bin'), rows, lengths, sha256).catch(() => undefined);
  }

  /** Positions in the new list that keep their rows, ascending, once for each row. */
  #keptRows({ start, end }: Shard): Uint32Array {
    const { keeps, before, store } = this.#options;
    const indices: number[] = [];
    for (let i = start; i < end; i++) {
      if (keeps[i] === -1 || before.rowOf[keeps[i]] === -1) continue;
      for (let view = 0; view < store.plan.views; view++) indices.push(i);
    }
    return Uint32Array.from(indices);
  }

  #rejectionsOf({ start, end }: Shard): ImageRejection[] {
    const { keeps, before } = this.#options;
    const rejections: ImageRejection[] = [];
    for (let index = start; index < end; index++) {
      const rejection = before.rejections.get(keeps[index]);
      if (rejection !== undefined) rejections.push({ ...rejection, index });
    }
    return rejections;
  }

  #pathOf(id: number, extension: 'bin' | 'json'): string {
    return join(this.#options.dir, `${String(id).padStart(5, '0')}.${extension}`);
  }
}

type Rows = Pick<ShardContent, 'indices' | 'outputs'>;

/** Rows of two halves of a shard in the order of their positions; no position is in both. */
export function mergeRows(a: Rows, b: Rows, lengths: readonly number[]): Rows {
  const count = a.indices.length + b.indices.length;
  const indices = new Uint32Array(count);
  const outputs = lengths.map((length) => new Float32Array(count * length));
  let i = 0;
  let j = 0;
  for (let row = 0; row < count; row++) {
    const isFirst = j === b.indices.length || (i < a.indices.length && a.indices[i] < b.indices[j]);
    const from = isFirst ? a : b;
    const at = isFirst ? i++ : j++;
    indices[row] = from.indices[at];
    lengths.forEach((length, output) => {
      const values = from.outputs[output].subarray(at * length, (at + 1) * length);
      outputs[output].set(values, row * length);
    });
  }
  return { indices, outputs };
}
