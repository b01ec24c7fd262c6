/** `--shard` and `merge`: several jobs make the table that one run makes. */
import {
  cpSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readRunJson } from './read-table.ts';
import { type CliResult, listFiles, runInProcess, tableHashes, tempFolder } from './run-cli.ts';

/** A shard has 4,096 images of pixels: two shards. */
const IMAGES = 4100;

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  for (let i = 0; i < 50; i++) {
    const [width, height] = [3 + (i % 7), 3 + (i % 5)];
    const data = Buffer.from(
      Array.from({ length: width * height * 3 }, (_, j) => (i * 37 + j * 11) % 256),
    );
    const raw = { width, height, channels: 3 } as const;
    await sharp(data, { raw })
      .jpeg()
      .toFile(join(dir, `${i}.jpg`));
  }
  for (const name of ['a', 'b']) mkdirSync(join(dir, 'dataset', name), { recursive: true });
  for (let i = 0; i < IMAGES; i++) {
    const name = `${i % 2 === 0 ? 'a' : 'b'}/${i}.jpg`;
    linkSync(join(dir, `${(i * 7) % 50}.jpg`), join(dir, 'dataset', name));
  }
  writeFileSync(join(dir, 'dataset/a/broken.jpg'), 'no image');
  writeFileSync(join(dir, 'dataset/b/notes.txt'), 'no image either');
  writeFileSync(join(dir, 'dataset/b/z-empty.jpg'), '');
  symlinkSync('nowhere', join(dir, 'dataset/b/link.jpg'));
  for (const i of [1, 2]) await extract(`out-${i}`, '--shard', `${i}/2`);
});
afterAll(() => remove());

interface FinishedRun {
  readonly counts: Record<string, number>;
  readonly fingerprint: string;
  readonly jobs: unknown;
}

const PLAIN = ['--mode', 'pixels', '--k', '3', '--no-report'];

function extract(out: string, ...more: string[]): Promise<CliResult> {
  return runInProcess(dir, 'dataset', ...PLAIN, '--out', out, ...more);
}

function merge(out: string, ...outs: string[]): Promise<CliResult> {
  return runInProcess(dir, 'merge', ...outs, '--out', out);
}

/** What `merge` says of outputs that it refuses. */
async function refusal(...outs: string[]): Promise<string> {
  const { status, stderr } = await merge('refused', ...outs);
  expect(status).toBe(2);
  return stderr;
}

test('jobs make the bytes and the counts of one run, one of them without an image', async () => {
  const all = ['--report', '--format', 'parquet,csv', '--split', '80/20'];
  const single = await extract('single', ...all);
  expect(single.status, single.stderr).toBe(1);
  const ended: CliResult[] = [];
  for (const i of [3, 1, 2]) ended.push(await extract(`part-${i}`, '--shard', `${i}/3`, ...all));
  expect(ended.map(({ status }) => status)).toEqual([0, 1, 1]);
  expect(ended[0]!.stdout).toContain(
    'Job 3/3, none of 4,102 images (there are more jobs than blocks of images)',
  );
  expect(ended[1]!.stdout).toContain(
    'Job 1/3, 4,097 of 4,102 images, is stored in part-1.\nWhen all 3 jobs have ended: img2features merge',
  );
  const parts = [1, 2, 3].map((i) => `part-${i}`);
  const before = parts.map((part) => tableHashes(join(dir, part)));
  const merged = await merge('merged', ...parts.reverse());
  expect(merged.status, merged.stderr).toBe(1);
  expect(merged.stdout).toContain('4,100 rows, 3 rejected, of 4,103 images, joined from 3 jobs in');
  expect(tableHashes(join(dir, 'merged'))).toEqual(tableHashes(join(dir, 'single')));
  // The jobs' outputs stay as they were.
  expect(parts.reverse().map((part) => tableHashes(join(dir, part)))).toEqual(before);
  const [one, joined] = ['single', 'merged'].map(
    (out) => readRunJson(join(dir, out)) as unknown as FinishedRun,
  );
  expect(joined!.counts).toEqual(one!.counts);
  expect(joined!.fingerprint).toBe(one!.fingerprint);
  const jobs = parts.map((part) => readRunJson(join(dir, part)) as unknown as FinishedRun);
  for (const count of ['discovered', 'extracted', 'rejected', 'ignored'] as const) {
    const sum = jobs.reduce((total, { counts }) => total + counts[count]!, 0);
    expect(sum, count).toBe(one!.counts[count]);
  }
  expect(joined!.jobs).toMatchObject([
    { shard: '1/3', out: 'part-1' },
    { shard: '2/3' },
    { shard: '3/3' },
  ]);
  expect((await runInProcess(dir, 'verify', 'merged')).stdout).toBe('merged is sound.\n');
  expect((await merge('merged', ...parts)).stdout).toContain(
    'Already complete: 4,100 rows in merged',
  );
});

test('a job that has ended says so, and what it left is no table', async () => {
  const again = await extract('out-2', '--shard', '2/2');
  expect(again.stdout).toContain('Already complete: 5 rows in out-2');
  expect(again.stdout).toContain('When all 2 jobs have ended');
  const other = await extract('out-2', '--shard', '1/2');
  expect(other.stderr).toContain('shard was 2/2 and is now 1/2');
  expect((await extract('out-2')).stderr).toContain('shard was 2/2 and is now not set');
  const verified = await runInProcess(dir, 'verify', 'out-2');
  expect(verified.stdout).toBe('out-2 is sound: job 2/2 of a run, for merge.\n');
  for (const args of [
    ['report', 'out-2'],
    ['transform', 'dataset', '--with', 'out-2', '--out', 'x'],
  ]) {
    const { status, stderr } = await runInProcess(dir, ...args);
    expect(status).toBe(2);
    expect(stderr).toContain('found job 2/2 of one in out-2, which holds no table.');
  }
  expect((await extract('x', '--shard', '1/2', '--update')).stderr).toContain(
    '--update or --shard',
  );
});

test('a dry run tells the part of a job', async () => {
  const { stdout } = await extract('x', '--shard', '2/2', '--dry-run');
  expect(stdout).toContain('dataset: 6 images');
  expect(stdout).toContain('Job 2/2: 6 of 4,102 images.');
  expect(stdout).not.toContain('parquet');
});

test('missing, double and foreign jobs are refused by name', async () => {
  expect(await refusal('out-2')).toContain('all 2 jobs for merge but found 1: 1/2 missing');
  expect(await refusal('out-1', 'out-2', 'out-2')).toContain('found 2/2 in out-2 and in out-2');
  await extract('other-1', '--shard', '1/3');
  expect(await refusal('out-1', 'other-1')).toContain('found 1/2 in out-1 and 1/3 in other-1');
  expect(await refusal('out-1', 'dataset')).toContain('found none that has ended in dataset');
  mkdirSync(join(dir, 'own'));
  await runInProcess(dir, 'dataset/a/0.jpg', ...PLAIN, '--out', 'own');
  expect(await refusal('out-1', 'own')).toContain('found a run of its own in own');
});

test('a job with another option, another version or another list of images is refused by name', async () => {
  await extract('nearest', '--shard', '2/2', '--resize', 'nearest');
  expect(await refusal('out-1', 'nearest')).toContain(
    'found job 2/2 different: resize bicubic in out-1, nearest in nearest',
  );
  cpSync(join(dir, 'out-2'), join(dir, 'old'), { recursive: true });
  const run = readRunJson(join(dir, 'old'));
  writeFileSync(join(dir, 'old/run.json'), JSON.stringify({ ...run, version: '0.0.9' }));
  expect(await refusal('out-1', 'old')).toContain(
    'img2features version 0.1.0 in out-1, 0.0.9 in old',
  );

  const added = join(dir, 'dataset/b/added.jpg');
  linkSync(join(dir, '1.jpg'), added);
  await extract('more', '--shard', '2/2');
  rmSync(added);
  const said = await refusal('out-1', 'more');
  expect(said).toContain(
    'another in job 2/2 (more) than in job 1/2: images: 1 added (dataset/b/added.jpg)',
  );
  expect(said).toContain('run job 2/2 again with --overwrite');
});

test('what most of the jobs are is what was meant; the choice of a machine is named', async () => {
  const network = { device: 'cpu', engine: 'graph', batch: 16 };
  for (const i of [1, 2, 3]) {
    await extract(`auto-${i}`, '--shard', `${i}/3`);
    const run = readRunJson(join(dir, `auto-${i}`)) as { job: { identity: object } };
    const identity = { ...run.job.identity, ...network, ...(i === 1 && { conv: 'winograd' }) };
    const changed = { ...run, job: { ...run.job, identity } };
    writeFileSync(join(dir, `auto-${i}/run.json`), JSON.stringify(changed));
  }
  const said = await refusal('auto-1', 'auto-2', 'auto-3');
  expect(said).toContain('found job 1/3 different: conv not set in auto-2, winograd in auto-1');
  expect(said).toContain(
    'Run job 1/3 again with --device cpu --engine graph --conv direct --batch 16',
  );
});

test('a damaged or lost file of a job is named, and which job to run again; merged again, the rest is not copied again', async () => {
  cpSync(join(dir, 'out-2'), join(dir, 'damaged'), { recursive: true });
  const path = join(dir, 'damaged/job/00001.bin');
  const bytes = readFileSync(path);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(path, bytes);
  const said = await refusal('out-1', 'damaged');
  expect(said).toContain(
    'Expected job/00001.bin of job 2/2 in damaged as that job wrote it but found a damaged file.',
  );
  expect(said).toContain('Run job 2/2 again with --overwrite');
  const stored = join(dir, 'refused/.img2features/shards/00000.bin');
  const inode = statSync(stored).ino;
  expect(inode).toBe(statSync(join(dir, 'out-1/job/00000.bin')).ino);
  for (const name of ['00001.bin', '00001.json']) {
    rmSync(join(dir, 'damaged/job', name));
    expect(await refusal('out-1', 'damaged')).toContain(`Expected job/${name} of job 2/2`);
    cpSync(join(dir, 'out-2/job', name), join(dir, 'damaged/job', name));
  }
  const run = readRunJson(join(dir, 'damaged'));
  const libraries = { ...(run.libraries as object), sharp: '0.0.1' };
  writeFileSync(join(dir, 'damaged/run.json'), JSON.stringify({ ...run, libraries }));
  const merged = await merge('refused', 'out-1', 'damaged');
  expect(merged.status, merged.stderr).toBe(1);
  expect(merged.stderr).toMatch(/Jobs 1\/2 and 2\/2 had different libraries: sharp .* and 0.0.1/);
  expect(listFiles(join(dir, 'refused'))).toContain('_SUCCESS');
});
