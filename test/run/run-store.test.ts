import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ExportError, RunError } from '../../src/errors.ts';
import type { RunIdentity } from '../../src/run/fingerprint.ts';
import type { Manifest } from '../../src/run/manifest.ts';
import { planShards, type ShardPlan } from '../../src/run/plan-shards.ts';
import { RunStore, WORK_FOLDER } from '../../src/run/run-store.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { contentOf, entry, images, manifestOf } from './sample.ts';

const LENGTHS = [3, 5];
const IDENTITY: RunIdentity = { input: 'in', mode: 'vgg16', layer: ['fc1', 'fc2'], k: 10 };

interface Changes {
  identity?: RunIdentity;
  manifest?: Manifest;
  plan?: ShardPlan;
  lengths?: number[];
  overwrite?: boolean;
}

/** A run of 150 images in three shards. */
function openRun(dir: string, changes: Changes = {}): Promise<RunStore> {
  const manifest = changes.manifest ?? manifestOf(images(150));
  const plan = planShards({ count: manifest.count, rowBytes: 32, maxShardRows: 64 });
  const options = {
    identity: IDENTITY,
    manifest,
    plan,
    lengths: LENGTHS,
    overwrite: false,
    ...changes,
  };
  return RunStore.open(join(dir, WORK_FOLDER), options);
}

async function fill(run: RunStore, ids = run.plan.shards.map(({ id }) => id)): Promise<void> {
  for (const id of ids) await run.writeShard(id, contentOf(run.plan.shards[id], LENGTHS));
}

const committed = (run: RunStore) => run.plan.shards.map(({ id }) => run.isCommitted(id));
const shardPath = (dir: string, name: string) => join(dir, WORK_FOLDER, 'shards', name);

test('gives back the rows and rejections of every shard as they were written', async () => {
  const run = await openRun(await temporaryFolder());
  expect([run.state, committed(run)]).toEqual(['fresh', [false, false, false]]);
  await fill(run);
  expect(committed(run)).toEqual([true, true, true]);
  for (const shard of run.plan.shards) {
    const content = contentOf(shard, LENGTHS);
    const { indices, outputs } = await run.readShard(shard.id);
    expect(Array.from(indices)).toEqual(content.indices);
    expect(outputs).toEqual(content.outputs);
    const record = run.shardRecord(shard.id);
    expect([record.rows, record.rejections]).toEqual([content.indices.length, content.rejections]);
  }
  await run.close();
});

test('reads a shard as views over one buffer', async () => {
  const run = await openRun(await temporaryFolder());
  await fill(run);
  const { indices, outputs } = await run.readShard(0);
  expect(new Set([indices.buffer, outputs[0].buffer, outputs[1].buffer]).size).toBe(1);
  expect(outputs.map(({ byteOffset }) => byteOffset % 64)).toEqual([0, 0]);
  await run.close();
});

test('reads all vectors of one output in row order, as often as asked', async () => {
  const run = await openRun(await temporaryFolder());
  await fill(run);
  const expected = run.plan.shards.flatMap((shard) =>
    Array.from(contentOf(shard, LENGTHS).outputs[1]),
  );
  const blocks = run.featureBlocks(1);
  expect([blocks.dims, blocks.count]).toEqual([5, 135]);
  for (let pass = 0; pass < 2; pass++) {
    const values: number[] = [];
    for await (const block of blocks.blocks()) {
      expect(block.values).toHaveLength(block.n * 5);
      values.push(...block.values);
    }
    expect(values).toEqual(expected);
  }
  await run.close();
});

test('resumes where it was, in any order of shards', async () => {
  const dir = await temporaryFolder();
  const first = await openRun(dir);
  await fill(first, [2]);
  await first.close();
  const second = await openRun(dir);
  expect([second.state, committed(second), second.damaged]).toEqual([
    'resumed',
    [false, false, true],
    [],
  ]);
  await fill(second, [0, 1]);
  expect(second.featureBlocks(0).count).toBe(135);
  await second.close();
});

test('writes the same bytes whatever was interrupted', async () => {
  const [calm, troubled] = [await temporaryFolder(), await temporaryFolder()];
  const undisturbed = await openRun(calm);
  await fill(undisturbed);
  await undisturbed.close();
  for (const ids of [[1], [0], [2]]) {
    const run = await openRun(troubled);
    await fill(run, ids);
    await run.close();
  }
  for (const name of await readdir(shardPath(calm, ''))) {
    expect(await readFile(shardPath(troubled, name))).toEqual(
      await readFile(shardPath(calm, name)),
    );
  }
});

test('does not count a shard that was killed between its rows and its record', async () => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  await fill(run);
  await run.close();
  await rm(shardPath(dir, '00001.json'));
  await writeFile(shardPath(dir, '.00001.json.tmp-1'), '{"id":1');
  const again = await openRun(dir);
  expect([committed(again), again.damaged]).toEqual([[true, false, true], []]);
  await fill(again, [1]);
  await again.close();
});

test.each([
  [
    'a flipped bit',
    async (path: string) => {
      const bytes = await readFile(path);
      bytes[200] ^= 1;
      await writeFile(path, bytes);
    },
  ],
  ['a cut end', (path: string) => truncate(path, 100)],
  ['no rows at all', (path: string) => rm(path)],
])('computes a shard again that has %s, and says so', async (_, damage) => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  await fill(run);
  await run.close();
  await damage(shardPath(dir, '00001.bin'));
  const again = await openRun(dir);
  expect(committed(again)).toEqual([true, false, true]);
  expect(again.damaged).toEqual([
    `Shard 1 does not match its record (${shardPath(dir, '00001.bin')}); its rows are computed again.`,
  ]);
  expect(() => again.shardRecord(1)).toThrow('Expected shard 1 to be done but found it open.');
  await again.close();
});

test.each(['', '{"id":1', '{}', '{"id":1,"rows":-1,"sha256":"x"}'])(
  'computes a shard again whose record is %j',
  async (text) => {
    const dir = await temporaryFolder();
    const run = await openRun(dir);
    await fill(run);
    await run.close();
    await writeFile(shardPath(dir, '00001.json'), text);
    const again = await openRun(dir);
    expect(committed(again)).toEqual([true, false, true]);
    await again.close();
  },
);

test('stops at a shard that is damaged while it runs, and computes it again the next time', async () => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  await fill(run);
  await truncate(shardPath(dir, '00002.bin'), 64);
  await expect(run.readShard(2)).rejects.toThrow('Expected the rows of shard 2 in');
  await expect(run.readShard(2)).rejects.toThrow(RunError);
  await run.close();
  const again = await openRun(dir);
  expect(committed(again)).toEqual([true, true, false]);
  await again.close();
});

test.each<[string, Changes, string]>([
  ['an option', { identity: { ...IDENTITY, k: 5 } }, 'k was 10 and is now 5'],
  [
    'the model',
    { identity: { ...IDENTITY, 'model weights': 'ff' } },
    'model weights was not set and is now ff',
  ],
  [
    'an image more',
    { manifest: manifestOf([...images(150), entry('new')]) },
    'images: 1 added (new)',
  ],
  ['an image less', { manifest: manifestOf(images(149)) }, 'images: 1 removed (in/000149.jpg)'],
  [
    'a changed image',
    { manifest: manifestOf([entry('in/000000.jpg', { version: '2' }), ...images(150).slice(1)]) },
    'images: 1 changed (in/000000.jpg)',
  ],
  ['the length of its vectors', { lengths: [3, 6] }, 'it was cut differently by another version'],
  [
    'the cut',
    { plan: planShards({ count: 150, rowBytes: 32, maxShardRows: 128 }) },
    'it was cut differently by another version',
  ],
])('refuses to resume another run: %s', async (_, changes, difference) => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  await fill(run, [0]);
  await run.close();
  const error = await openRun(dir, changes).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(RunError);
  expect(error.message).toContain(difference);
  expect(error.fix).toContain('--overwrite');
  const same = await openRun(dir);
  expect(committed(same)).toEqual([true, false, false]);
  await same.close();
});

test('starts again when told to overwrite, whatever is there', async () => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  await fill(run);
  await run.close();
  const anew = await openRun(dir, { overwrite: true, identity: { mode: 'pixels' } });
  expect([anew.state, committed(anew)]).toEqual(['fresh', [false, false, false]]);
  expect(await readdir(shardPath(dir, ''))).toEqual([]);
  await anew.close();
  await writeFile(join(dir, WORK_FOLDER, 'identity.json'), 'not JSON');
  await expect(openRun(dir)).rejects.toThrow('Expected a run of this version in');
  await (await openRun(dir, { overwrite: true })).close();
});

test('starts again where a run was killed while it was laid out', async () => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  await fill(run, [0]);
  await run.close();
  await rm(join(dir, WORK_FOLDER, 'identity.json'));
  const again = await openRun(dir);
  expect([again.state, committed(again)]).toEqual(['fresh', [false, false, false]]);
  await again.close();
});

test('keeps records but no rows of a finished run, and knows it again', async () => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  await fill(run);
  await run.finish();
  await run.close();
  expect(await readdir(shardPath(dir, ''))).toEqual(['00000.json', '00001.json', '00002.json']);
  const again = await openRun(dir);
  expect([again.state, again.shardRecord(2).rows]).toEqual(['finished', 20]);
  await again.close();
  await expect(openRun(dir, { identity: { mode: 'pixels' } })).rejects.toThrow('mode was vgg16');
});

test('refuses a second run at the same output, until the first has closed', async () => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  await expect(openRun(dir)).rejects.toThrow(`found process ${process.pid} here`);
  await expect(openRun(dir, { overwrite: true })).rejects.toThrow(RunError);
  await run.close();
  await (await openRun(dir)).close();
});

test('gives the lock back when it refuses', async () => {
  const dir = await temporaryFolder();
  await (await openRun(dir)).close();
  await expect(openRun(dir, { identity: {} })).rejects.toThrow(RunError);
  expect(await readdir(join(dir, WORK_FOLDER))).not.toContain('lock');
});

test.each<[string, (content: ReturnType<typeof contentOf>) => ReturnType<typeof contentOf>]>([
  [
    'position 65 missing',
    (c) => ({
      ...c,
      indices: [...c.indices].filter((index) => index !== 65),
      outputs: c.outputs,
    }),
  ],
  [
    'position 64 twice',
    (c) => ({ ...c, rejections: [...c.rejections, { ...c.rejections[0], index: 64 }] }),
  ],
  [
    'position 128 outside 64–127',
    (c) => ({ ...c, rejections: [{ ...c.rejections[0], index: 128 }] }),
  ],
  ['position 64 out of order', (c) => ({ ...c, indices: [65, 64, ...[...c.indices].slice(2)] })],
  [
    '174 values instead of 171 for output 0',
    (c) => ({ ...c, outputs: [new Float32Array(174), c.outputs[1]] }),
  ],
  ['0 values instead of 285 for output 1', (c) => ({ ...c, outputs: [c.outputs[0]] })],
])('refuses a shard whose rows would be mixed up: %s', async (found, change) => {
  const run = await openRun(await temporaryFolder());
  const content = change(contentOf(run.plan.shards[1], LENGTHS));
  await expect(run.writeShard(1, content)).rejects.toThrow(
    `Expected each image of shard 1 once but found ${found}; rows would be mixed up.`,
  );
  expect(run.isCommitted(1)).toBe(false);
  await run.close();
});

test('takes a shard without a single row', async () => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  const rejections = Array.from({ length: 64 }, (_, index) => ({
    index,
    reason: 'corrupt' as const,
    message: 'x',
  }));
  await run.writeShard(0, {
    indices: [],
    outputs: [new Float32Array(0), new Float32Array(0)],
    rejections,
  });
  await fill(run, [1, 2]);
  expect((await run.readShard(0)).outputs.map(({ length }) => length)).toEqual([0, 0]);
  let n = 0;
  for await (const block of run.featureBlocks(0).blocks()) n += block.n;
  expect(n).toBe(run.featureBlocks(0).count);
  await run.close();
  const again = await openRun(dir);
  expect(committed(again)).toEqual([true, true, true]);
  await again.close();
});

test('says what to do when its folder cannot be written', async () => {
  const dir = await temporaryFolder();
  await writeFile(join(dir, WORK_FOLDER), '');
  await expect(openRun(dir)).rejects.toThrow(ExportError);
});

/** Changes the record of a shard, as a disk or a person may. */
async function changeRecord(path: string, change: (text: string) => string): Promise<void> {
  const before = await readFile(path, 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  await writeFile(path, after);
}

const withoutSum = (text: string) => text.replace(/,"sum":"[0-9a-f]{64}"/, '');

test.each<[string, (text: string) => string]>([
  ['one digit of a rejected image is another', (text) => text.replace('"index":67', '"index":66')],
  ['a reason is another', (text) => text.replace('truncated', 'vanished')],
  [
    'an image is there twice, without a sum (0.1.0)',
    (text) => withoutSum(text).replace('"index":67', '"index":66'),
  ],
])('computes a shard again in whose record %s', async (_, change) => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  await fill(run);
  await run.close();
  await changeRecord(shardPath(dir, '00001.json'), change);
  const again = await openRun(dir);
  expect([committed(again), again.damaged.length]).toEqual([[true, false, true], 1]);
  await again.close();
});

test('resumes from records of version 0.1.0, which have no sum', async () => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  await fill(run);
  await run.close();
  for (const name of ['00000.json', '00001.json', '00002.json']) {
    await changeRecord(shardPath(dir, name), withoutSum);
  }
  const again = await openRun(dir);
  expect([again.state, committed(again), again.damaged]).toEqual([
    'resumed',
    [true, true, true],
    [],
  ]);
  await again.close();
});

test('refuses a finished run with a damaged record: its rows are gone', async () => {
  const dir = await temporaryFolder();
  const run = await openRun(dir);
  await fill(run);
  await run.finish();
  await run.close();
  await changeRecord(shardPath(dir, '00001.json'), (text) => text.replace('67', '66'));
  await expect(openRun(dir)).rejects.toThrow('but found some of them missing or damaged.');
});

test('takes an image with all its views or not at all, and gives every row or the plain ones', async () => {
  const plan = planShards({ count: 3, rowBytes: 4, maxShardRows: 64, views: 2 });
  const given = { plan, manifest: manifestOf(images(3)), lengths: [1] };
  const dir = await temporaryFolder();
  const run = await openRun(dir, given);
  const rejection = { index: 1, reason: 'truncated', message: 'Expected more.' } as const;
  const shard = (...indices: number[]) => ({
    indices,
    outputs: [Float32Array.from(indices, (_, row) => row)],
    rejections: [rejection],
  });
  for (const indices of [
    [0, 2],
    [0, 0, 2],
    [0, 2, 0, 2],
    [0, 0, 0, 2],
    [2, 2, 0, 0],
  ]) {
    await expect(run.writeShard(0, shard(...indices)), `${indices}`).rejects.toThrow(
      'rows would be mixed up',
    );
  }
  await run.writeShard(0, shard(0, 0, 2, 2));
  const valuesOf = async (step?: number) => {
    const { count, blocks } = run.featureBlocks(0, step);
    const values = [];
    for await (const block of blocks()) values.push(...block.values);
    return [count, values];
  };
  expect(await valuesOf()).toEqual([4, [0, 1, 2, 3]]);
  expect(await valuesOf(2)).toEqual([2, [0, 2]]);
  await run.finish();
  await run.close();
  // Of a finished run only the record is left.
  const again = await openRun(dir, given);
  expect([again.state, again.shardRecord(0).rows]).toEqual(['finished', 4]);
  await again.close();
});
