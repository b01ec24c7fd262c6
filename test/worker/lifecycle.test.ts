import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { listFiles, runInProcess, tempFolder } from '../e2e/run-cli.ts';
import { decodeStreams, encodeStream } from './arrow-streams.ts';
import { allGone, descendants, runWorker, startWorker, until } from './worker-process.ts';

const PIXELS = ['--mode', 'pixels', '--workers', '2'];
const NETWORK = ['--mode', 'vgg16', '--layer', 'fc2', '--device', 'wasm', '--batch', '4'];

let dir: string;
let remove: () => Promise<void>;
let rows: { origin: string; content: Uint8Array }[];
/** Answered by far more than a pipe holds. */
let many: Buffer;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(join(dir, 'in'), { seed: 7, imagesPerClass: 4, minSize: 20, maxSize: 30 });
  const names = listFiles(join(dir, 'in'));
  rows = names.map((name) => ({
    origin: `in/${name}`,
    content: readFileSync(join(dir, 'in', name)),
  }));
  many = encodeStream(Array.from({ length: 4000 }, (_, i) => rows[i % rows.length]!));
  const slim = ['--seed', '1', '--width', '0.125', '--out', 'models/vgg16'];
  await runInProcess(dir, 'model', 'init', 'vgg16', ...slim);
});
afterAll(() => remove());

/** A temporary folder of one test, and what lies in it. */
function temporary(name: string): { env: NodeJS.ProcessEnv; left: () => string[] } {
  const path = join(dir, name);
  mkdirSync(path);
  return { env: { TMPDIR: path }, left: () => readdirSync(path) };
}

const PHASES: Record<
  string,
  { args: string[]; until: (worker: ReturnType<typeof startWorker>) => Promise<unknown> }
> = {
  starting: {
    args: NETWORK,
    until: ({ child }) => until(() => descendants(child.pid!)[0], 'a child'),
  },
  'waiting for input': { args: PIXELS, until: ({ told }) => told('ready') },
  'in the middle of a record batch': {
    args: PIXELS,
    async until({ child, told }) {
      await told('ready');
      child.stdin.write(many.subarray(0, 2000));
      await delay(100);
    },
  },
  'waiting for a reader that does not read': {
    args: PIXELS,
    async until({ child, told }) {
      await told('ready');
      child.stdin.write(many);
      await delay(1500);
    },
  },
  'in the network': {
    args: NETWORK,
    async until({ child, told }) {
      await told('ready');
      child.stdin.write(encodeStream(rows));
      await delay(300);
    },
  },
};

test.each(Object.keys(PHASES))(
  'SIGTERM while %s ends it with 143 and leaves no process',
  async (name) => {
    const phase = PHASES[name]!;
    const worker = startWorker(phase.args, { cwd: dir, readsAnswer: false });
    await phase.until(worker);
    const below = descendants(worker.child.pid!);
    worker.child.kill('SIGTERM');
    worker.child.stdout.resume();
    const { status, events } = await worker.ended;
    expect(status).toBe(143);
    expect(events.at(-1)).toMatchObject({ event: 'error', class: 'Interrupted' });
    await allGone(below);
  },
);

test('Ctrl-C, which reaches all of its processes, ends it with 130', async () => {
  const { child, ended, told } = startWorker(NETWORK, { cwd: dir, detached: true });
  await told('ready');
  const below = descendants(child.pid!);
  child.stdin.write(encodeStream(rows));
  process.kill(-child.pid!, 'SIGINT');
  expect((await ended).status).toBe(130);
  await allGone(below);
});

test('a reader that goes away ends it quietly', async () => {
  const { child, ended, told } = startWorker(PIXELS, { readsAnswer: false });
  await told('ready');
  const below = descendants(child.pid!);
  child.stdin.write(many);
  await delay(300);
  child.stdout.destroy();
  const { status, events } = await ended;
  expect(status).toBe(141);
  expect(events.filter(({ event }) => event === 'error')).toEqual([]);
  await allGone(below);
});

test('an input that ends inside a stream is an error that says so, and the engine ends at once', async () => {
  const { child, ended, told } = startWorker(NETWORK, { cwd: dir });
  await told('ready');
  const below = descendants(child.pid!);
  expect(below.length).toBe(2); // the one that serves, and its engine
  const whole = encodeStream(rows);
  child.stdin.end(whole.subarray(0, whole.length - 8));
  const { status, events } = await ended;
  expect(events.at(-1)).toMatchObject({
    event: 'error',
    class: 'ProtocolError',
    message: expect.stringMatching(/the mark that ends a stream but found the end of stdin/),
  });
  expect(status).toBe(2);
  await allGone(below);
});

test('a supervisor killed outright takes all with it', async () => {
  const { env, left } = temporary('killed');
  const { child, ended, told } = startWorker(NETWORK, { cwd: dir, env });
  await told('ready');
  const below = descendants(child.pid!);
  child.stdin.write(encodeStream(rows));
  child.kill('SIGKILL');
  expect((await ended).signal).toBe('SIGKILL');
  await allGone(below);
  expect(left()).toEqual([]);
});

test('an engine that dies is an exit with 2 and no row more', async () => {
  const { child, ended, told } = startWorker(NETWORK, { cwd: dir });
  const { pid } = await told('ready');
  process.kill(descendants(pid as number)[0]!, 'SIGKILL');
  child.stdin.end(encodeStream(rows));
  const { status, events } = await ended;
  expect(events.at(-1)).toMatchObject({
    event: 'error',
    class: 'EngineError',
    message: expect.stringMatching(/ended with signal SIGKILL/),
    fix: expect.stringMatching(/--batch/),
  });
  expect(status).toBe(2);
});

test('a decoder that crashes is an exit that names the images in work', async () => {
  const preload = join(import.meta.dirname, '../faults/segfault-on-open.cjs');
  await copyFile(join(dir, rows[0]!.origin), join(dir, 'in/segfault.jpg'));
  const origins = [...rows.map(({ origin }) => origin), 'in/segfault.jpg'];
  const { status, events } = await runWorker(
    PIXELS,
    encodeStream(origins.map((origin) => ({ origin }))),
    {
      cwd: dir,
      env: { NODE_OPTIONS: `--require=${preload}` },
    },
  );
  expect(status).toBe(2);
  const last = events.at(-1)!;
  expect(last).toMatchObject({
    event: 'error',
    class: 'RunError',
    message: expect.stringMatching(
      /^Expected the worker to run but found that it ended with signal SIGSEGV/,
    ),
  });
  expect(last.suspects).toContain('in/segfault.jpg');
  // No more than its chunk and that of the other thread.
  expect((last.suspects as string[]).length).toBeLessThanOrEqual(32);
});

test('a serving process that is killed is an exit with 2 that thinks of memory', async () => {
  const { child, ended, told } = startWorker(PIXELS);
  const { pid } = await told('ready');
  process.kill(pid as number, 'SIGKILL');
  const { status, events } = await ended;
  expect(child.killed).toBe(false);
  expect(status).toBe(2);
  expect(events.at(-1)).toMatchObject({
    class: 'RunError',
    message: 'Expected the worker to run but found that it ended with signal SIGKILL',
    fix: expect.stringMatching(/ran out of memory/),
  });
});

test('what libraries print, TensorFlow among them, never reaches stdout', async () => {
  const preload = join(import.meta.dirname, 'print-to-stdout.cjs');
  const { status, stdout, events } = await runWorker(NETWORK, encodeStream(rows), {
    cwd: dir,
    env: { NODE_OPTIONS: `--require=${preload}` },
  });
  expect(status).toBe(0);
  expect(decodeStreams(stdout)[0]).toHaveLength(rows.length);
  const told = events.map(({ message }) => message);
  for (const line of [
    'TensorFlow prints',
    'a library prints',
    'and logs',
    'and to 2',
    'and writes to file descriptor 1 itself',
  ]) {
    expect(told).toContain(line);
  }
  // Printed before there was anything to answer, and told after it all the same.
  expect(events[0]).toMatchObject({ event: 'ready' });
});

test('no temporary folder is left', async () => {
  const { env, left } = temporary('ended');
  const { child, ended, told } = startWorker(PIXELS, { env });
  await told('ready');
  expect(left()).toEqual([expect.stringMatching(/^img2features-worker-/)]);
  child.stdin.end();
  await ended;
  expect(left()).toEqual([]);
});
