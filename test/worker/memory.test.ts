import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Binary, Field, Schema, Utf8 } from 'apache-arrow';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { listFiles, tempFolder } from '../e2e/run-cli.ts';
import { decodeStreams, encodeStream } from './arrow-streams.ts';
import { startWorker } from './worker-process.ts';

const PIXELS = ['--mode', 'pixels', '--workers', '2'];

let dir: string;
let remove: () => Promise<void>;
let picture: Uint8Array;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await writeDataset(dir, { seed: 2, imagesPerClass: 1, minSize: 12, maxSize: 12 });
  const name = listFiles(dir).find((file) => file.endsWith('.jpg'))!;
  picture = readFileSync(join(dir, name));
});
afterAll(() => remove());

function peakMiB(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Number(line[1]) / 1024;
}

test('one record batch of 100,000 rows is answered row by row', async () => {
  const rows = Array.from({ length: 100_000 }, (_, i) => ({
    origin: `a/${i}.jpg`,
    // Mostly no images: that is what costs least.
    content: i % 100 === 0 ? picture : Buffer.from('no'),
  }));
  const { child, ended, told } = startWorker(PIXELS);
  child.stdin.end(encodeStream(rows, { batchRows: rows.length }));
  const { received, sent, rejected } = await told('stream');
  expect([received, sent, rejected]).toEqual([100_000, 100_000, 99_000]);
  const { status, stdout } = await ended;
  expect(status).toBe(0);
  const [answer] = decodeStreams(stdout);
  expect(answer!.map(({ origin }) => origin)).toEqual(rows.map(({ origin }) => origin));
  expect(answer!.filter(({ status: code }) => code === 'ok').length).toBe(1000);
});

test('memory does not grow with the stream', async () => {
  const { child, ended, told } = startWorker(PIXELS, { readsAnswer: false });
  const { pid } = (await told('ready')) as unknown as { pid: number };
  // Forty times the same 25 MB: content that no decoder takes, behind a stream's schema.
  const large = Buffer.alloc(1 << 20);
  const once = encodeStream(
    Array.from({ length: 25 }, (_, i) => ({ origin: `a/${i}.jpg`, content: large })),
    { batchRows: 25 },
  );
  const schema = new Schema([
    new Field('origin', new Utf8(), true),
    new Field('content', new Binary(), true),
  ]);
  const head = encodeStream([], { contentType: schema.fields[1]!.type }).length - 8;
  const batch = once.subarray(head, once.length - 8);
  child.stdin.write(once.subarray(0, head));
  let answered = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    answered += chunk.length;
  });
  for (let n = 0; n < 40; n++) {
    if (!child.stdin.write(batch))
      await new Promise((resolve) => child.stdin.once('drain', resolve));
  }
  const peak = peakMiB(pid);
  child.stdin.end(once.subarray(once.length - 8));
  expect(await told('stream')).toMatchObject({ received: 1000, sent: 1000, rejected: 1000 });
  expect((await ended).status).toBe(0);
  // 1,000 MiB went through.
  expect(peak).toBeLessThan(450);
  expect(answered).toBeGreaterThan(0);
});

test('what is not taken is not made: the worker waits', async () => {
  const { child, ended, told } = startWorker(PIXELS, { readsAnswer: false });
  await told('ready');
  const rows = Array.from({ length: 6_000 }, (_, i) => ({
    origin: `a/${i}.jpg`,
    content: picture,
  }));
  const bytes = encodeStream(rows, { batchRows: 500 });
  child.stdin.write(bytes);
  // Until it takes no more for a second: pipes, a batch and the decoder's look-ahead are full.
  let waiting: number;
  do {
    waiting = child.stdin.writableLength;
    await delay(1000);
  } while (child.stdin.writableLength !== waiting);
  // Most of it is still on our side.
  expect(waiting).toBeGreaterThan(bytes.length / 2);
  child.stdin.end();
  let answered = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    answered += chunk.length;
  });
  expect(await told('stream')).toMatchObject({ received: 6_000, sent: 6_000, rejected: 0 });
  expect((await ended).status).toBe(0);
  expect(answered).toBeGreaterThan(6_000 * 1200);
});
