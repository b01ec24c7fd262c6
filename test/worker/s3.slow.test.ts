import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { listFiles, tempFolder } from '../e2e/run-cli.ts';
import { NO_STORE, openTestStore, type TestStore } from '../s3/store.ts';
import { skipIf } from '../skip-if.ts';
import { type AnsweredCells, decodeStreams, encodeStream } from './arrow-streams.ts';
import { runWorker } from './worker-process.ts';

const store = await openTestStore('images');

describe('origins in a store', skipIf(store === undefined, NO_STORE), () => {
  const { endpoint, put, stop } = store as TestStore;
  let dir: string;
  let remove: () => Promise<void>;
  let names: string[];
  const args = ['--mode', 'pixels', '--workers', '2', '--s3-endpoint', endpoint];

  beforeAll(async () => {
    ({ dir, remove } = await tempFolder());
    await writeDataset(join(dir, 'in'), { seed: 3, imagesPerClass: 8, minSize: 20, maxSize: 30 });
    names = listFiles(join(dir, 'in'));
    for (const name of names) await put('images', name, readFileSync(join(dir, 'in', name)));
    await put('images', 'odd/empty.jpg', '');
    await put('images', 'odd/text.jpg', 'no image');
  });
  afterAll(async () => {
    await remove();
    await stop();
  });

  test('are read there, ahead of their turn, and mixed with paths', async () => {
    const remote = names.map((name) => ({ origin: `s3://images/${name}` }));
    const local = names.map((name) => ({ origin: join(dir, 'in', name) }));
    const mixed = names.map((_, i) => (i % 3 === 0 ? local : remote)[i]!);
    const streams = [local, remote, mixed].map((rows) => encodeStream(rows));
    const { status, stdout, events } = await runWorker(args, streams);
    expect(status, JSON.stringify(events)).toBe(0);
    const [fromDisk, fromStore, fromBoth] = decodeStreams(stdout) as [
      AnsweredCells[],
      AnsweredCells[],
      AnsweredCells[],
    ];
    const pixels = (answer: AnsweredCells[]) => answer.map(({ origin: _, ...row }) => row);
    expect(fromDisk.every(({ status: code }) => code === 'ok')).toBe(true);
    expect(pixels(fromStore)).toEqual(pixels(fromDisk));
    expect(pixels(fromBoth)).toEqual(pixels(fromDisk));
    expect(fromStore.map(({ origin }) => origin)).toEqual(remote.map(({ origin }) => origin));
  });

  test('that are gone or bad are rows', async () => {
    const rows = ['odd/gone.jpg', 'odd/empty.jpg', names[0], 'odd/text.jpg'];
    const sent = rows.map((key) => ({ origin: `s3a://images/${key}` }));
    const { status, stdout } = await runWorker(args, encodeStream(sent));
    expect(status).toBe(0);
    const [answer] = decodeStreams(stdout);
    expect(answer!.map(({ status: code }) => code)).toEqual([
      'vanished',
      'empty_file',
      'ok',
      'not_an_image',
    ]);
  });

  test('larger than any image of --max-pixels are rejected unread', async () => {
    // 64 MiB of metadata are allowed, and eight bytes a pixel.
    await put('images', 'odd/large.jpg', Buffer.alloc((64 << 20) + 9));
    const { stdout } = await runWorker(
      [...args, '--max-pixels', '0.000001'],
      encodeStream([{ origin: 's3://images/odd/large.jpg' }]),
    );
    expect(decodeStreams(stdout)[0]).toMatchObject([{ status: 'too_many_pixels', target: 'odd' }]);
  });

  test('in a bucket that is not there end the worker: that is no fault of the image', async () => {
    const { status, events } = await runWorker(
      args,
      encodeStream([{ origin: 's3://elsewhere/a.jpg' }]),
    );
    expect(events.at(-1)).toMatchObject({ event: 'error', class: 'SourceError' });
    expect(status).toBe(2);
  });
});
