import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { featureColumns } from '../../src/export/column-names.ts';
import type { RejectReason } from '../../src/image/decode-error.ts';
import { chunkRanges } from '../../src/pipeline/stream/decode-entries.ts';
import {
  type CompareOptions,
  compareManifests,
  isSameTable,
} from '../../src/pipeline/update/compare-manifests.ts';
import { mergeRows, ReusedRows } from '../../src/pipeline/update/reuse-rows.ts';
import { RowReader, type StoredBatch, storedRows } from '../../src/pipeline/update/stored-rows.ts';
import { type FinishedState, readFinishedState } from '../../src/run/finished-state.ts';
import { type Manifest, ManifestBuilder } from '../../src/run/manifest.ts';
import { planShards } from '../../src/run/plan-shards.ts';
import { promoteUpdate } from '../../src/run/promote-update.ts';
import { RunStore } from '../../src/run/run-store.ts';
import type { SourceEntry } from '../../src/source/source.ts';
import { FolderStore } from '../../src/storage/folder-store.ts';
import { writeWhole } from '../../src/storage/output-store.ts';
import { contentOf, entry, images, manifestOf } from '../run/sample.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const never = new AbortController().signal;

/** A finished run over these images; those named in `rejected` have no row. */
function finished(
  entries: readonly SourceEntry[],
  rejected: Record<string, RejectReason> = {},
  listed: Record<string, RejectReason> = {},
): FinishedState {
  const manifest = listing(entries, listed);
  const rejections = new Map<number, { index: number; reason: RejectReason; message: string }>();
  const rowOf = new Int32Array(manifest.count);
  let rows = 0;
  for (let index = 0; index < manifest.count; index++) {
    const reason = rejected[manifest.entry(index).origin];
    if (reason !== undefined) rejections.set(index, { index, reason, message: 'before' });
    rowOf[index] = reason === undefined ? rows++ : -1;
  }
  return {
    identity: {} as FinishedState['identity'],
    manifest,
    rowOf,
    rejections,
    extracted: rows,
  };
}

function listing(
  entries: readonly SourceEntry[],
  rejected: Record<string, RejectReason> = {},
): Manifest {
  const builder = new ManifestBuilder();
  for (const one of entries) builder.add({ kind: 'image', entry: one });
  for (const [origin, reason] of Object.entries(rejected)) {
    builder.add({ kind: 'rejected', rejection: { origin, reason, message: 'listed' } });
  }
  return builder.freeze();
}

describe('what changed between two lists', () => {
  const same: CompareOptions = { hasMoreTime: false, isReadable: async () => false };

  async function compare(before: FinishedState, now: Manifest, options = same) {
    const { counts, keeps } = await compareManifests(before, now, options);
    const told = Object.entries(counts).filter(([, count]) => count > 0);
    return { counts: Object.fromEntries(told), keeps: [...keeps] };
  }

  test('images are told apart by name, size and version', async () => {
    const before = finished([entry('a'), entry('b'), entry('c'), entry('e')]);
    const now = listing([
      entry('b'),
      entry('c', { size: 11 }),
      entry('d'),
      entry('e', { version: '2' }),
    ]);
    expect(await compare(before, now)).toEqual({
      counts: { unchanged: 1, added: 1, changed: 2, removed: 1 },
      keeps: [1, -1, -1, -1],
    });
  });

  test('a file with another change time or inode is changed, whatever its size and time say', async () => {
    const stamped = (stamp: string | undefined) => ['a', 'b'].map((name) => entry(name, { stamp }));
    const before = finished(stamped('1 7'), { b: 'truncated' });
    expect(await compare(before, listing(stamped('1 7')))).toEqual({
      counts: { unchanged: 1, rejectedBefore: 1 },
      keeps: [0, 1],
    });
    for (const stamp of ['2 7', '1 8']) {
      expect(await compare(before, listing(stamped(stamp)))).toEqual({
        counts: { changed: 2 },
        keeps: [-1, -1],
      });
    }
    // A list of an earlier version, or of a store, has none.
    expect((await compare(before, listing(stamped(undefined)))).keeps).toEqual([0, 1]);
  });

  test('lists in the order of UTF-8 bytes stay side by side where UTF-16 has another', async () => {
    const names = ['\u{FFFD}', '\u{1F600}'];
    const before = finished(names.map((name) => entry(name)));
    expect(await compare(before, listing(names.map((name) => entry(name))))).toEqual({
      counts: { unchanged: 2 },
      keeps: [0, 1],
    });
  });

  test('an image rejected for its bytes stays rejected', async () => {
    const before = finished([entry('a'), entry('b')], { a: 'truncated' });
    expect(await compare(before, listing([entry('a'), entry('b')]))).toEqual({
      counts: { unchanged: 1, rejectedBefore: 1 },
      keeps: [0, 1],
    });
  });

  test('one rejected for the moment of reading is tried again when that has passed', async () => {
    const before = finished([entry('a'), entry('b'), entry('c'), entry('d'), entry('e')], {
      a: 'vanished',
      b: 'changed',
      c: 'timeout',
      d: 'unreadable',
    });
    const now = listing([entry('a'), entry('b'), entry('c'), entry('d'), entry('e')]);
    expect(await compare(before, now)).toEqual({
      counts: { unchanged: 1, rejectedBefore: 2, retried: 2 },
      keeps: [-1, -1, 2, 3, 4],
    });
    const asked: string[] = [];
    const isReadable = async ({ origin }: SourceEntry) => asked.push(origin) > 0;
    expect(await compare(before, now, { hasMoreTime: true, isReadable })).toEqual({
      counts: { unchanged: 1, retried: 4 },
      keeps: [-1, -1, -1, -1, 4],
    });
    expect(asked).toEqual(['d']);
  });

  test('files that the listing rejects are counted among the images', async () => {
    const before = finished([entry('b'), entry('d')], {}, { a: 'broken_link', c: 'not_a_file' });
    const now = listing([entry('a'), entry('b')], {
      c: 'not_a_file',
      d: 'broken_link',
      e: 'not_a_file',
    });
    expect(await compare(before, now)).toEqual({
      counts: { unchanged: 1, added: 1, changed: 2, rejectedBefore: 1 },
      keeps: [-1, 0],
    });
  });

  test('another target keeps the row, but the table is another', async () => {
    const now = listing([entry('a', { target: 'y' })]);
    const { counts, keeps } = await compareManifests(finished([entry('a')]), now, same);
    expect([counts.unchanged, counts.relabelled, [...keeps]]).toEqual([1, 1, [0]]);
    expect(isSameTable(counts)).toBe(false);
    expect(isSameTable({ ...counts, relabelled: 0 })).toBe(true);
  });

  test('so do another split and other kept texts', async () => {
    const before = finished([entry('a', { split: 'train', kept: ['x'] })]);
    for (const labels of [{ split: 'test', kept: ['x'] }, { split: 'train', kept: ['y'] }, {}]) {
      const { counts } = await compareManifests(before, listing([entry('a', labels)]), same);
      expect([counts.unchanged, counts.relabelled]).toEqual([1, 1]);
    }
  });
});

test('chunks pass over images that are not wanted, and the last of a shard says so', () => {
  const wanted = new Set([1, 2, 3, 6, 11]);
  const shards = [
    { id: 0, start: 0, end: 8 },
    { id: 1, start: 8, end: 16 },
    { id: 2, start: 16, end: 18 },
  ];
  expect(chunkRanges(shards, 2, undefined, (index) => wanted.has(index))).toEqual([
    { shard: 0, start: 1, end: 3, isLastOfShard: false },
    { shard: 0, start: 3, end: 4, isLastOfShard: false },
    { shard: 0, start: 6, end: 7, isLastOfShard: true },
    { shard: 1, start: 11, end: 12, isLastOfShard: true },
    { shard: 2, start: 18, end: 18, isLastOfShard: true },
  ]);
});

test('two halves of a shard become one, in the order of positions', () => {
  const a = { indices: [2, 5], outputs: [Float32Array.of(2, 2, 5, 5), Float32Array.of(20, 50)] };
  const b = {
    indices: [1, 3, 9],
    outputs: [Float32Array.of(1, 1, 3, 3, 9, 9), Float32Array.of(10, 30, 90)],
  };
  const { indices, outputs } = mergeRows(a, b, [2, 1]);
  expect([...indices]).toEqual([1, 2, 3, 5, 9]);
  expect(outputs.map((values) => [...values])).toEqual([
    [1, 1, 2, 2, 3, 3, 5, 5, 9, 9],
    [10, 20, 30, 50, 90],
  ]);
});

async function* batches(...list: StoredBatch[]): AsyncGenerator<StoredBatch> {
  yield* list;
}

describe('rows of a table', () => {
  const letters = (text: string) => [...text];

  test('are picked in ascending order over the borders of batches', async () => {
    const reader = new RowReader(
      batches(
        { count: 2, origins: letters('ab'), vectors: [Float32Array.of(1, 2, 3, 4)] },
        { count: 1, origins: letters('c'), vectors: [Float32Array.of(5, 6)] },
        { count: 1, origins: letters('d'), vectors: [Float32Array.of(7, 8)] },
      ),
    );
    const outputs = [new Float32Array(4)];
    await reader.copyRow({ row: 1, origin: 'b', outputs, at: 0 });
    await reader.copyRow({ row: 3, origin: 'd', outputs, at: 1 });
    expect([...outputs[0]!]).toEqual([3, 4, 7, 8]);
  });

  test('are never mixed up: another image in the row is an error', async () => {
    const reader = new RowReader(
      batches({ count: 1, origins: letters('x'), vectors: [Float32Array.of(1)] }),
    );
    const outputs = [new Float32Array(1)];
    await expect(reader.copyRow({ row: 0, origin: 'a', outputs, at: 0 })).rejects.toThrow(
      'Expected a in row 0 of the finished table but found the row of x; rows would be mixed up.',
    );
    await expect(reader.copyRow({ row: 9, origin: 'a', outputs, at: 0 })).rejects.toThrow(
      'Expected a in row 9 of the finished table but found only 1 rows',
    );
  });

  test('with vectors of another length are refused, and so is a file that was changed', async () => {
    const output = await FolderStore.open(await temporaryFolder());
    const text = '{"origin":"a","vectors":[1.0,2.0]}\n';
    const file = await writeWhole(output, 'json/part-00000.json', Buffer.from(text));
    const read = async (length: number, sha256 = file.sha256) => {
      const columns = featureColumns('pixels', [{ layer: 'pixels', pool: 'none', length }], 0);
      const table = { output, files: [{ ...file, sha256 }], columns, lengths: [length] };
      const found: number[][] = [];
      for await (const { vectors } of storedRows(table)) found.push([...vectors[0]!]);
      return found;
    };
    expect(await read(2)).toEqual([[1, 2]]);
    await expect(read(3)).rejects.toThrow(
      'Expected undamaged rows in json/part-00000.json but found that vectors holds 2 values instead of 3 in the row of a.',
    );
    await expect(read(2, createHash('sha256').digest('hex'))).rejects.toThrow(
      'with the SHA-256 in its run.json but found another; nothing of it is used.',
    );
  });
});

describe('rows taken over', () => {
  const LENGTHS = [2];

  /** 150 images in three shards: the first 70 kept, one of them rejected before; then every other one. */
  async function open(dir: string) {
    const entries = images(150);
    const before = finished(entries, { 'in/000065.jpg': 'truncated' });
    const manifest = manifestOf(entries);
    const keeps = Int32Array.from(entries, (_, i) => (i < 70 || i % 2 === 0 ? i : -1));
    const plan = planShards({ count: 150, rowBytes: 8, maxShardRows: 64 });
    const options = { identity: {}, manifest, plan, lengths: LENGTHS, overwrite: false };
    const store = await RunStore.open(dir, options);
    const place = { dir: join(dir, 'reused'), before, manifest, keeps, store, lengths: LENGTHS };
    return { store, reused: new ReusedRows(place) };
  }

  /** Row r of the old table holds r twice; `read` counts the batches asked for. */
  async function* oldTable(read: { rows: number }): AsyncGenerator<StoredBatch> {
    for (let row = 0; row < 149; row++) {
      read.rows++;
      yield { count: 1, origins: undefined, vectors: [Float32Array.of(row, row)] };
    }
  }

  /** What would be computed of a shard: -1 for every image. */
  const computed = ({ start, end }: { start: number; end: number }, reused: ReusedRows) => {
    const indices: number[] = [];
    for (let i = start; i < end; i++) if (reused.isWanted(i)) indices.push(i);
    return { indices, outputs: [new Float32Array(2 * indices.length).fill(-1)], rejections: [] };
  };

  test('shards that need nothing else are committed, others wait and are merged', async () => {
    const dir = await temporaryFolder();
    const { store, reused } = await open(dir);
    await reused.takeOver(oldTable({ rows: 0 }), never);
    expect(store.plan.shards.map(({ id }) => store.isCommitted(id))).toEqual([true, false, false]);
    // 64 to 69 and every other one up to 149, 65 of them without a row.
    expect(reused.countWaiting()).toEqual({ images: 6 + 40, rejected: 1 });
    const shard = store.plan.shards[1]!;
    const rows = await reused.complete(1, computed(shard, reused));
    await store.writeShard(1, rows);
    expect(store.shardRecord(1).rejections).toEqual([
      { index: 65, reason: 'truncated', message: 'before' },
    ]);
    const { indices, outputs } = await store.readShard(1);
    expect([...indices]).toEqual(
      Array.from({ length: 64 }, (_, i) => 64 + i).filter((i) => i !== 65),
    );
    // One row fewer than images from the rejected one on.
    expect([...indices].map((_, row) => outputs[0]![2 * row])).toEqual(
      [...indices].map((index) => (reused.isWanted(index) ? -1 : index < 65 ? index : index - 1)),
    );
    await store.close();
  });

  test('after a kill only what is missing is taken, and in the end the old table is not opened', async () => {
    const dir = await temporaryFolder();
    const first = await open(dir);
    await first.reused.takeOver(oldTable({ rows: 0 }), never);
    await first.store.close();
    await rm(join(dir, 'reused', '00002.json')); // killed before the record of the last
    const second = await open(dir);
    const read = { rows: 0 };
    await second.reused.takeOver(oldTable(read), never);
    expect(read.rows).toBeGreaterThan(0);
    await second.store.close();
    const third = await open(dir);
    const again = { rows: 0 };
    await third.reused.takeOver(oldTable(again), never);
    expect(again.rows).toBe(0);
    await third.store.close();
  });

  test('a damaged file of waiting rows is an error, and taken again by the next start', async () => {
    const dir = await temporaryFolder();
    const { store, reused } = await open(dir);
    await reused.takeOver(oldTable({ rows: 0 }), never);
    const path = join(dir, 'reused', '00001.bin');
    const bytes = readFileSync(path);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(path, bytes);
    const shard = store.plan.shards[1]!;
    await expect(reused.complete(1, computed(shard, reused))).rejects.toThrow(
      'rows of the finished run in',
    );
    await store.close();
    const next = await open(dir);
    await next.reused.takeOver(oldTable({ rows: 0 }), never);
    expect((await next.reused.complete(1, computed(shard, next.reused))).indices).toHaveLength(63);
    await next.store.close();
  });
});

describe('the state of a finished update', () => {
  const LENGTHS = [2];

  /** Runs a run of `count` images to its end in a work folder. */
  async function finishRun(dir: string, count: number): Promise<void> {
    const manifest = manifestOf(images(count));
    const plan = planShards({ count, rowBytes: 8, maxShardRows: 64 });
    const options = { identity: { k: 1 }, manifest, plan, lengths: LENGTHS, overwrite: false };
    const store = await RunStore.open(dir, options);
    for (const shard of plan.shards) await store.writeShard(shard.id, contentOf(shard, LENGTHS));
    await store.finish();
    await store.close();
  }

  test('takes the place of the old one, whatever a kill has moved already', async () => {
    const done = [
      [],
      ['manifest.jsonl'],
      ['manifest.jsonl', 'shards'],
      ['manifest.jsonl', 'shards', 'identity.json'],
    ];
    for (const moved of done) {
      const dir = await temporaryFolder();
      await finishRun(dir, 150);
      await finishRun(join(dir, 'update'), 100);
      await mkdir(join(dir, 'update', 'reused'));
      for (const name of moved) {
        await rm(join(dir, name), { recursive: true });
        await rename(join(dir, 'update', name), join(dir, name));
      }
      await promoteUpdate(dir);
      expect(readdirSync(dir).sort()).toEqual([
        'finished.json',
        'identity.json',
        'manifest.jsonl',
        'shards',
      ]);
      const state = await readFinishedState(dir);
      expect([state?.manifest.count, state?.extracted, state?.rejections.size]).toEqual([
        100, 90, 10,
      ]);
    }
  });

  test('of one that is not finished is left alone', async () => {
    const dir = await temporaryFolder();
    await finishRun(dir, 150);
    await finishRun(join(dir, 'update'), 100);
    await rm(join(dir, 'update', 'finished.json'));
    await promoteUpdate(dir);
    expect((await readFinishedState(dir))?.manifest.count).toBe(150);
    expect(existsSync(join(dir, 'update', 'identity.json'))).toBe(true);
  });

  test('a record that is lost is told', async () => {
    const dir = await temporaryFolder();
    await finishRun(dir, 150);
    await rm(join(dir, 'shards', '00001.json'));
    await expect(readFinishedState(dir)).rejects.toThrow('but found some of them missing');
  });

  test('a run without --update refuses a table that an update was replacing', async () => {
    const dir = await temporaryFolder();
    await finishRun(dir, 150);
    await mkdir(join(dir, 'update'));
    writeFileSync(join(dir, 'update', 'publishing.json'), '{}');
    await expect(finishRun(dir, 150)).rejects.toThrow(
      'found an update that was stopped while it replaced it',
    );
  });
});

describe('a folder that holds its files back', () => {
  test('shows none of them before _SUCCESS, and leaves what they replace as it is', async () => {
    const dir = await temporaryFolder();
    const old = await FolderStore.open(dir);
    await writeWhole(old, 'json/part-00000.json', Buffer.from('old'));
    const store = await FolderStore.open(dir, { isHeld: true });
    await writeWhole(store, 'json/part-00000.json', Buffer.from('new'));
    await writeWhole(store, 'run.json', Buffer.from('{}'));
    expect(await store.list('')).toEqual([]);
    expect(readFileSync(join(dir, 'json/part-00000.json'), 'utf8')).toBe('old');
    await writeWhole(store, '_SUCCESS', Buffer.alloc(0));
    expect(await store.list('')).toEqual(['_SUCCESS', 'run.json']);
    expect(readFileSync(join(dir, 'json/part-00000.json'), 'utf8')).toBe('new');
    expect(readdirSync(join(dir, 'json'))).toEqual(['part-00000.json']);
  });

  test('closed before, it leaves nothing of them', async () => {
    const dir = await temporaryFolder();
    const store = await FolderStore.open(dir, { isHeld: true });
    await writeWhole(store, 'run.json', Buffer.from('{}'));
    await store.close();
    expect(readdirSync(dir)).toEqual([]);
  });
});
