/**
 * Damage of the files that a run leaves and of a worker's input, some 200 seeded mutations each in the long form. Each
 * must end within its bound, in at most 600 MB, as an error of ours or a table with no wrong row; never in a stack.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { listFiles, tempFolder } from '../e2e/run-cli.ts';
import { encodeStream } from '../worker/arrow-streams.ts';
import { runUntilStep } from './kill-runs.ts';
import { isLong, mutate, mutateText, seededRandom } from './long-form.ts';

/** Mutations of each kind of file. */
const COUNT = isLong ? 240 : 8;
/** Of one mutation: a command over eight images takes a second on a machine that does nothing else. */
const MOST_MS = 20_000;
const MOST_MEBIBYTES = 600;

interface Answer {
  readonly status?: number;
  readonly said?: string;
  readonly error?: string;
  readonly tag?: string;
  readonly ms: number;
  readonly mebibytes: number;
  readonly received?: number;
  readonly sent?: number;
}

vi.setConfig({ testTimeout: isLong ? 1_200_000 : 60_000 });

let dir: string;
let remove: () => Promise<void>;
let judge: ChildProcess;
const at = (...names: string[]) => join(dir, ...names);

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(at('in'), { seed: 3, imagesPerClass: 2, minSize: 20, maxSize: 24 });
  writeFileSync(at('in', 'bad.png'), 'no image');
  judge = startJudge();
  const reference = await ask({ job: 'command', argv: extract('base') });
  expect(reference.status, reference.said).toBe(1);
  const later = await ask({ job: 'command', argv: transform('base', 'transformed') });
  expect(later.status, later.said).toBe(1);
});
afterAll(async () => {
  judge?.kill();
  await remove?.();
});

const extract = (out: string) => [
  ...[at('in'), '--mode', 'pixels', '--out', at(out), '--k', '2', '--workers', '1', '--no-report'],
  ...['--format', 'parquet,feather,csv'],
];
const transform = (from: string, out: string) => [
  ...['transform', at('in'), '--with', at(from), '--out', at(out), '--workers', '1'],
  ...['--no-report', '--format', 'csv'],
];

function startJudge(): ChildProcess {
  const script = join(import.meta.dirname, 'judge-bytes.mjs');
  return fork(script, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
}

/** @throws when the process ends or hangs */
async function ask(job: Record<string, unknown>): Promise<Answer> {
  // One that hung or crashed was that mutation's failure, not the next one's.
  if (judge.exitCode !== null || judge.signalCode !== null) judge = startJudge();
  return new Promise((resolve, reject) => {
    const clock = setTimeout(() => judge.kill('SIGKILL'), MOST_MS);
    const onExit = (code: number | null, signal: string | null) =>
      reject(new Error(`Expected an answer but the process ended: ${code ?? signal}`));
    judge.once('exit', onExit);
    judge.once('message', (answer) => {
      clearTimeout(clock);
      judge.off('exit', onExit);
      resolve(answer as Answer);
    });
    judge.send(job);
  });
}

/** Asks, and holds the answer to what is promised of every one. */
async function askSafely(what: string, job: Record<string, unknown>): Promise<Answer> {
  const answer = await ask(job).catch((error: Error) => {
    throw new Error(`${what}: ${error.message}`);
  });
  const said = answer.said ?? answer.error ?? '';
  if (answer.error !== undefined) expect(answer.tag, `${what}: ${said}`).toBeTypeOf('string');
  else expect(said, what).not.toMatch(/Unexpected error|^ {4}at /m);
  expect(answer.mebibytes, what).toBeLessThan(MOST_MEBIBYTES);
  return answer;
}

const hashOf = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const csvOf = (out: string) => hashOf(at(out, 'csv', 'features.csv'));

/** A copy of the finished run to damage. */
function copyRun(name: string, from = 'base'): void {
  rmSync(at(name), { recursive: true, force: true });
  cpSync(at(from), at(name), { recursive: true });
}

/** Makes run.json agree with a damaged file, as who forges one would. */
function admit(run: string, name: string): void {
  const path = at(run, 'run.json');
  const json = JSON.parse(readFileSync(path, 'utf8'));
  const file = json.files.find((one: { name: string }) => one.name === name);
  file.sha256 = hashOf(at(run, name));
  file.bytes = readFileSync(at(run, name)).length;
  writeFileSync(path, JSON.stringify(json));
}

test('a stream to the worker', async () => {
  const good = readFileSync(at('in', listFiles(at('in')).find((name) => name !== 'bad.png')!));
  const rows = Array.from({ length: 8 }, (_, i) => ({ origin: `c/${i}.jpg`, content: good }));
  const stream = encodeStream(rows, { batchRows: 3 });
  const heads = encodeStream(
    rows.map(({ origin }) => ({ origin })),
    { batchRows: 2 },
  );
  const random = seededRandom(1);
  for (let n = 0; n < COUNT; n++) {
    const bytes = mutate(n % 2 === 0 ? heads : stream, random);
    await askSafely(`stream ${n}`, { job: 'rows', bytes });
    if (n % 8 !== 1) continue;
    const { received, sent, error } = await askSafely(`worker ${n}`, { job: 'worker', bytes });
    if (error === undefined) expect(sent).toBe(received);
  }
});

test('reducer.npz, its checksums made to fit in every second', async () => {
  const random = seededRandom(2);
  const good = readFileSync(at('base', 'reducer.npz'));
  for (let n = 0; n < COUNT; n++) {
    const bytes = n % 2 === 0 ? mutate(good, random) : mutateMember(good, random);
    await askSafely(`reducer ${n}`, { job: 'reducer', bytes });
  }
});

/** Changes bytes of the first members of a stored zip and writes their checksums anew. */
function mutateMember(good: Buffer, random: () => number): Buffer {
  const bytes = Buffer.from(good);
  const directory = bytes.readUInt32LE(bytes.length - 6);
  const member = Math.floor(random() * 6);
  let header = directory;
  for (let i = 0; i < member; i++) header += 46 + bytes.readUInt16LE(header + 28);
  const local = bytes.readUInt32LE(header + 42);
  const start = local + 30 + bytes.readUInt16LE(local + 26);
  const data = bytes.subarray(start, start + bytes.readUInt32LE(header + 20));
  for (let times = 0; times < 3; times++) {
    // Mostly in the header of the array, where sizes and types stand.
    const place = Math.floor(random() * Math.min(data.length, 90));
    data[place] = random() < 0.7 ? 0x30 + Math.floor(random() * 10) : Math.floor(random() * 256);
  }
  bytes.writeUInt32LE(crc32(data), local + 14);
  bytes.writeUInt32LE(crc32(data), header + 16);
  return bytes;
}

test.each(['parquet', 'feather'])('%s, its hash made to fit in every second', async (format) => {
  const random = seededRandom(3);
  const name = listFiles(at('base')).find((file) => file.startsWith(`${format}/`))!;
  const good = readFileSync(at('base', name));
  copyRun('table');
  // The report takes Parquet first where there is both.
  const run = JSON.parse(readFileSync(at('base', 'run.json'), 'utf8'));
  run.files = run.files.filter(
    (one: { name: string }) => !/^(parquet|feather|csv)/.test(one.name) || one.name === name,
  );
  for (const other of ['parquet', 'feather', 'csv'].filter((one) => one !== format)) {
    rmSync(at('table', other), { recursive: true });
  }
  for (let n = 0; n < COUNT; n++) {
    const bytes = mutate(good, random);
    if (bytes.equals(good)) continue;
    writeFileSync(at('table', name), bytes);
    writeFileSync(at('table', 'run.json'), JSON.stringify(run));
    const isForged = n % 2 === 1;
    if (isForged) admit('table', name);
    const what = `${format} ${n}`;
    const verified = await askSafely(what, { job: 'command', argv: ['verify', at('table')] });
    if (!isForged) {
      expect(verified.status).toBe(2);
      expect(verified.said!.match(/^ {2}\S/gm)).toHaveLength(1);
    }
    if (n % 4 > 1) continue;
    const argv = ['report', at('table')];
    const reported = await askSafely(what, { job: 'command', argv });
    if (!isForged) expect(reported.said).toMatch(/^Expected .* with the SHA-256 in its run.json/);
  }
});

test('run.json, in the hands of transform, --update, report and verify', async () => {
  const random = seededRandom(4);
  const good = readFileSync(at('base', 'run.json'));
  const expected = csvOf('transformed');
  const table = csvOf('base');
  for (let n = 0; n < COUNT; n++) {
    copyRun('json');
    rmSync(at('out'), { recursive: true, force: true });
    writeFileSync(
      at('json', 'run.json'),
      n % 3 === 0 ? mutate(good, random) : mutateText(good, random),
    );
    const commands = [
      transform('json', 'out'),
      [...extract('json'), '--update'],
      ['report', at('json')],
      ['verify', at('json')],
    ];
    const argv = commands[n % 4]!;
    const { status, said } = await askSafely(`run.json ${n}`, { job: 'command', argv });
    expect([0, 1, 2], `run.json ${n}`).toContain(status);
    if (n % 4 === 0 && status !== 2) expect(csvOf('out'), `run.json ${n}: ${said}`).toBe(expected);
    if (n % 4 === 1 && status !== 2) expect(csvOf('json'), `run.json ${n}: ${said}`).toBe(table);
  }
});

test('the state of a run, resumed and updated', async () => {
  const random = seededRandom(5);
  const table = csvOf('base');
  await leaveUnfinished();
  for (let n = 0; n < COUNT; n++) {
    const isResumed = n % 2 === 0;
    const from = isResumed ? 'unfinished' : 'base';
    copyRun('state', from);
    const state = listFiles(at(from, '.img2features')).filter(
      (file) => !/lock|decoding/.test(file),
    );
    const name = state[(n >> 1) % state.length]!;
    const good = readFileSync(at(from, '.img2features', name));
    const bytes = n % 3 === 0 ? mutate(good, random) : mutateText(good, random);
    writeFileSync(at('state', '.img2features', name), bytes);
    const argv = isResumed ? extract('state') : [...extract('state'), '--update'];
    const what = `${name} ${n}`;
    const { status, said } = await askSafely(what, { job: 'command', argv });
    expect([0, 1, 2], what).toContain(status);
    if (status !== 2) expect(csvOf('state'), `${what}: ${said}`).toBe(table);
  }
});

/** A run that was killed once its rows were stored, before its table was written. */
async function leaveUnfinished(): Promise<void> {
  for (let step = 1; ; step++) {
    rmSync(at('unfinished'), { recursive: true, force: true });
    await runUntilStep(dir, { step, moment: 'after' }, extract('unfinished'));
    expect(existsSync(at('unfinished', '_SUCCESS'))).toBe(false);
    if (existsSync(at('unfinished', '.img2features', 'shards', '00000.json'))) return;
  }
}
