import { spawnSync } from 'node:child_process';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Field, Int32, LargeBinary, LargeUtf8, makeData, Schema, Utf8 } from 'apache-arrow';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { type Row, readParquetRows, readRejections } from '../e2e/read-table.ts';
import { listFiles, runInProcess, tempFolder } from '../e2e/run-cli.ts';
import { makeBmp } from '../image/make-images.ts';
import {
  type AnsweredCells,
  decodeStreams,
  encodeBatches,
  encodeStream,
  variableData,
} from './arrow-streams.ts';
import { runWorker, serveInProcess, startWorker } from './worker-process.ts';

const PIXELS = ['--mode', 'pixels', '--workers', '2'];
const OPTIONS = { mode: 'pixels', workers: 2 };

let dir: string;
let remove: () => Promise<void>;
let origins: string[];
let rows: { origin: string; content: Uint8Array }[];
/** What `extract` makes of the same images. */
let table: Row[];
let expected: AnsweredCells[];

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  const drawn = { seed: 11, imagesPerClass: 9, minSize: 20, maxSize: 40, withBroken: true };
  await writeDataset(join(dir, 'dataset'), drawn);
  origins = listFiles(join(dir, 'dataset')).map((name) => `dataset/${name}`);
  rows = origins.map((origin) => ({ origin, content: readFileSync(join(dir, origin)) }));
  await runInProcess(dir, 'dataset', '--mode', 'pixels', '--out', 'out', '--k', '0');
  table = readParquetRows(join(dir, 'out'));
  const [bad] = readRejections(join(dir, 'out'));
  expected = origins.map((origin) => {
    const target = origin.split('/')[1]!;
    if (origin === bad!.origin) {
      return { origin, target, vectors: null, status: bad!.reason, error: bad!.message };
    }
    const { vectors } = table.find((row) => row.origin === origin) as { vectors: number[] };
    return { origin, target, vectors, status: 'ok', error: null };
  });
});
afterAll(() => remove());

test('rows equal those of extract bit for bit, in the order they came, the bad one among them', async () => {
  const { status, stdout, events } = await runWorker(PIXELS, encodeStream(rows, { batchRows: 7 }));
  expect(status).toBe(0);
  expect(decodeStreams(stdout)).toEqual([expected]);
  expect(expected.filter(({ vectors }) => vectors === null)).toHaveLength(1);
  expect(events).toEqual([
    expect.objectContaining({
      event: 'ready',
      protocol: 1,
      mode: 'pixels',
      columns: ['origin', 'target', 'vectors', 'status', 'error'],
      features: [{ name: 'vectors', layer: 'pixels', pool: 'none', length: 300 }],
      lengths: [300],
      device: 'cpu',
    }),
    { event: 'stream', received: rows.length, sent: rows.length, rejected: 1 },
  ]);
});

test('origins alone are read as paths, file:// URLs and file:/ paths of Hadoop', async () => {
  const forms = [
    (path: string) => path,
    (path: string) => pathToFileURL(join(dir, path)).href,
    (path: string) => `file:${join(dir, path)}`,
  ];
  const streams = forms.map((form) =>
    encodeStream(origins.map((path) => ({ origin: form(path) }))),
  );
  const { error, stdout } = await serveInProcess(OPTIONS, streams, dir);
  expect(error).toBeUndefined();
  const wanted = forms.map((form) =>
    expected.map((row) => ({ ...row, origin: form(row.origin as string) })),
  );
  expect(decodeStreams(stdout)).toEqual(wanted);
});

test('record batches of one row, all rows and no row give the same answer', async () => {
  const { fields } = new Schema([
    new Field('origin', new Utf8()),
    new Field('content', new LargeBinary()),
  ]);
  const cells = (part: typeof rows) => [
    variableData(
      new Utf8(),
      part.map(({ origin }) => Buffer.from(origin)),
    ),
    variableData(
      new LargeBinary(),
      part.map(({ content }) => content),
    ),
  ];
  const withEmpty = [[], rows.slice(0, 20), [], [], rows.slice(20), []].map(cells);
  const streams = [
    encodeStream(rows, { batchRows: 1 }),
    encodeStream(rows, { batchRows: rows.length }),
    encodeBatches(new Schema(fields), withEmpty),
  ];
  const { error, stdout } = await serveInProcess(OPTIONS, streams);
  expect(error).toBeUndefined();
  expect(decodeStreams(stdout)).toEqual([expected, expected, expected]);
});

test('large_string and large_binary are the same columns', async () => {
  const types = { originType: new LargeUtf8(), contentType: new LargeBinary() };
  const { stdout } = await serveInProcess(OPTIONS, encodeStream(rows, types));
  expect(decodeStreams(stdout)).toEqual([expected]);
});

test('streams without rows, or no stream at all, are answered with as much', async () => {
  const none = encodeStream([], { contentType: new LargeBinary() });
  const streams = [none, encodeStream(rows), none];
  const { error, stdout, events } = await serveInProcess(OPTIONS, streams);
  expect(error).toBeUndefined();
  expect(decodeStreams(stdout)).toEqual([[], expected, []]);
  expect(events.slice(1).map(({ received, sent }) => [received, sent])).toEqual([
    [0, 0],
    [rows.length, rows.length],
    [0, 0],
  ]);
  const nothing = await serveInProcess(OPTIONS, new Uint8Array(0));
  expect(nothing.error).toBeUndefined();
  expect(nothing.stdout).toHaveLength(0);
});

test('a stream is answered to its end before the next one is sent', async () => {
  const { child, ended, answered } = startWorker(PIXELS);
  const whole = (await serveInProcess(OPTIONS, encodeStream(rows))).stdout.length;
  for (let n = 1; n <= 3; n++) {
    child.stdin.write(encodeStream(rows));
    await answered(n * whole);
  }
  child.stdin.end();
  expect(decodeStreams((await ended).stdout)).toEqual([expected, expected, expected]);
});

test('each bad row is one row with its reason, and the others keep their places', async () => {
  const [good] = rows as [(typeof rows)[0]];
  const sent = [
    { origin: 'a/null.jpg', content: null },
    { origin: 'a/empty.jpg', content: new Uint8Array(0) },
    good,
    { origin: 'a/text.jpg', content: Buffer.from('no image') },
    { origin: 'a/cut.jpg', content: good.content.subarray(0, 40) },
  ];
  const streams = [sent, [{ origin: '/nowhere/1.jpg' }]].map((one) => encodeStream(one));
  const { error, stdout } = await serveInProcess(OPTIONS, streams);
  expect(error).toBeUndefined();
  const [answer, missing] = decodeStreams(stdout) as [AnsweredCells[], AnsweredCells[]];
  expect(answer.map(({ origin, status: code }) => [origin, code])).toEqual([
    ['a/null.jpg', 'unreadable'],
    ['a/empty.jpg', 'empty_file'],
    [good.origin, 'ok'],
    ['a/text.jpg', 'not_an_image'],
    ['a/cut.jpg', 'truncated'],
  ]);
  expect(answer[0]).toMatchObject({
    target: 'a',
    vectors: null,
    error: "Expected the image's bytes but found null as content.",
  });
  expect(missing).toMatchObject([{ status: 'vanished', target: 'nowhere' }]);
});

test('an image that takes too long is one row, and those beside it are decoded all the same', async () => {
  const grey = { create: { width: 6000, height: 6000, channels: 3, background: '#888' } } as const;
  const slow = await sharp(grey).png({ progressive: true }).toBuffer();
  // A new thread has it at once: nothing is to be loaded for it.
  const quick = makeBmp({ width: 1, height: 1, bits: 24, rows: [[1, 2, 3]] });
  const sent = [quick, slow, quick].map((content, i) => ({ origin: `a/${i}`, content }));
  const { error, stdout } = await serveInProcess(
    { ...OPTIONS, imageTimeout: 0.2 },
    encodeStream(sent),
  );
  expect(error).toBeUndefined();
  expect(decodeStreams(stdout)[0]!.map(({ status: code }) => code)).toEqual([
    'ok',
    'timeout',
    'ok',
  ]);
});

test('files in place of pipes are read and written, too', async () => {
  const bytes = encodeStream(rows);
  writeFileSync(join(dir, 'in.arrow'), bytes);
  const [input, output] = [
    openSync(join(dir, 'in.arrow'), 'r'),
    openSync(join(dir, 'out.arrow'), 'w'),
  ];
  const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
  const stdio = [input, output, 'pipe'] as const;
  const { status } = spawnSync(process.execPath, [cli, 'worker', ...PIXELS], { stdio: [...stdio] });
  expect(status).toBe(0);
  expect(decodeStreams(readFileSync(join(dir, 'out.arrow')))).toEqual([expected]);
});

test('options that define the pixels are those of extract', async () => {
  const more = ['--resize', 'nearest', '--seed-compat'];
  await runInProcess(dir, 'dataset', '--mode', 'pixels', '--out', 'compat', '--k', '0', ...more);
  const asked = { ...OPTIONS, resize: 'nearest', seedCompat: true };
  const { stdout } = await serveInProcess(asked, encodeStream(rows));
  const vectors = (decodeStreams(stdout)[0] as AnsweredCells[]).flatMap(({ vectors: v }) =>
    v ? [v] : [],
  );
  expect(vectors).toEqual(readParquetRows(join(dir, 'compat')).map((row) => row.vectors));
});

test('an input that is not what a worker reads is an error that says so', async () => {
  const batch = (name: string) =>
    encodeBatches(new Schema([new Field('origin', new Utf8()), new Field(name, new Int32())]), [
      [
        variableData(new Utf8(), [Buffer.from('a')]),
        makeData({ type: new Int32(), data: new Int32Array(1) }),
      ],
    ]);
  const inputs: [Uint8Array, string, RegExp][] = [
    [batch('label'), 'ProtocolError', /columns origin and content.*label: Int32/],
    [
      batch('content'),
      'ProtocolError',
      /binary or large_binary for the column content but found Int32/,
    ],
    [
      encodeStream([{ origin: null }]),
      'ProtocolError',
      /origin in every row but found null in row 0/,
    ],
    [encodeStream([{ origin: 'hdfs://a/b.jpg' }]), 'SourceError', /found the origin hdfs:/],
  ];
  for (const [input, name, message] of inputs) {
    const { error } = await serveInProcess(OPTIONS, input);
    expect(error).toMatchObject({ name, message: expect.stringMatching(message) });
  }
  const { status, events } = await runWorker(PIXELS, Buffer.from('hello world\n'));
  expect(status).toBe(2);
  expect(events.at(-1)).toEqual({
    event: 'error',
    class: 'ProtocolError',
    message: expect.stringMatching(/Arrow IPC stream on stdin but found "hello wo"/),
    fix: expect.stringMatching(/new_stream/),
  });
});

test('options that a worker does not take end with 2, an error event and an empty stdout', async () => {
  const cases: [string[], RegExp][] = [
    [['--mode', 'pixels', '--k', '3'], /received --k/],
    [['--mode', 'pixels', '--log', 'json'], /received --log/],
    [[], /for --mode/],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await runInProcess(dir, 'worker', ...args);
    expect(JSON.parse(stderr)).toMatchObject({
      event: 'error',
      class: 'OptionError',
      message: expect.stringMatching(message),
    });
    expect([status, stdout]).toEqual([2, '']);
  }
});
