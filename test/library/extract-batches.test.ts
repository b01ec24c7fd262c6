import { mkdir, mkdtemp, readdir, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RecordBatch } from 'apache-arrow';
import { afterAll, beforeAll, expect, test } from 'vitest';
// Threads and processes start from the build.
import * as built from '../../dist/index.js';
import { writeDataset } from '../../src/demo/draw-images.ts';
import type * as api from '../../src/index.ts';
import { readJsonRows, readParquetRows } from '../e2e/read-table.ts';
import { makePng } from '../image/make-images.ts';
import { skipIf } from '../skip-if.ts';
import { childProcesses, hasProc, startedSince } from './child-processes.ts';

const { extract, extractBatches, initModel, Interrupted, loadReducer, resolveOptions } =
  built as unknown as typeof api;

let dir: string;
let images: string;
let slim: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'library-batches-'));
  images = join(dir, 'images');
  slim = join(dir, 'slim');
  await writeDataset(images, {
    seed: 1,
    imagesPerClass: 4,
    minSize: 20,
    maxSize: 40,
    withBroken: true,
  });
  await initModel({ architecture: 'vgg16', seed: 1, width: 1 / 16, dir: slim });
});

afterAll(() => rm(dir, { recursive: true, force: true }));

async function rowsOf(batches: AsyncIterable<RecordBatch>): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for await (const batch of batches) {
    for (const row of batch) {
      const cells = Object.entries(row.toJSON()).map(([name, cell]) => [
        name,
        typeof cell === 'string' ? cell : [...(cell as Iterable<number>)],
      ]);
      rows.push(Object.fromEntries(cells));
    }
  }
  return rows;
}

test.each([
  ['pixels', {}],
  ['cnn', { layer: 'fc2,block5_pool:avg', batch: 4 }],
] as const)(
  '--mode %s: the rows are those of the table, and nothing is written',
  async (mode, given) => {
    const network = mode === 'cnn' && { model: slim };
    const options = { input: images, mode, workers: 1, ...network, ...given };
    const out = join(dir, `table-${mode}`);
    await extract(resolveOptions({ ...options, out, k: 0 }));
    const before = await readdir(dir);
    const rows = await rowsOf(extractBatches(options));
    expect(rows).toEqual(readParquetRows(out));
    expect(rows.length).toBeGreaterThan(16);
    expect(await readdir(dir)).toEqual(before);
  },
);

test('batches hold what the network takes at once; what is bad is told, and the counts add up', async () => {
  const events: api.RunEvent[] = [];
  const options = { input: images, mode: 'cnn', model: slim, batch: 4, workers: 1 } as const;
  const batches = extractBatches(options, { onEvent: (event) => events.push(event) });
  const sizes: number[] = [];
  let next = await batches.next();
  for (; !next.done; next = await batches.next()) sizes.push(next.value.numRows);
  const { discovered, extracted, rejected } = next.value;
  expect(sizes.slice(0, -1).every((size) => size === 4)).toBe(true);
  expect(sizes.reduce((a, b) => a + b)).toBe(extracted);
  expect([discovered, rejected]).toEqual([extracted + 1, 1]);
  expect(events.filter(({ event }) => event === 'rejected')).toMatchObject([
    { origin: expect.stringMatching(/broken\.jpg$/), reason: 'truncated' },
  ]);
});

test('with a finished run its scaler and PCA are applied, and its options taken over', async () => {
  const out = join(dir, 'fitted');
  const options = { input: images, mode: 'pixels', resize: 'bilinear', workers: 1 } as const;
  await extract(resolveOptions({ ...options, out, k: 3 }));
  const rows = await rowsOf(extractBatches({ input: images, mode: 'pixels', with: out }));
  expect(rows).toEqual(readParquetRows(out));
  expect(rows[0]!.vectors_redux).toHaveLength(3);
  const reducer = await loadReducer(out);
  const [first] = rows as { vectors: number[]; vectors_redux: number[] }[];
  expect([...reducer.transform(Float32Array.from(first!.vectors), 1)]).toEqual(
    first!.vectors_redux,
  );
});

test(
  'leaving the loop ends the engine at once and leaves no process',
  skipIf(!hasProc, 'no /proc on this system'),
  async () => {
    const before = childProcesses();
    const options = { input: images, mode: 'cnn', model: slim, batch: 2, workers: 1 } as const;
    for await (const batch of extractBatches(options)) {
      expect(batch.numRows).toBe(2);
      expect(startedSince(before)).toHaveLength(1);
      break;
    }
    expect(startedSince(before)).toEqual([]);
  },
);

test(
  'a signal ends it, also before the first batch',
  skipIf(!hasProc, 'no /proc on this system'),
  async () => {
    const before = childProcesses();
    const options = { input: images, mode: 'cnn', model: slim, workers: 1 } as const;
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await expect(rowsOf(extractBatches(options, { signal: stop.signal }))).rejects.toThrow(
      Interrupted,
    );
    await expect(rowsOf(extractBatches(options, { signal: stop.signal }))).rejects.toThrow(
      Interrupted,
    );
    const late = new AbortController();
    const batches = extractBatches({ ...options, batch: 2 }, { signal: late.signal });
    expect((await batches.next()).done).toBe(false);
    late.abort();
    await expect(batches.next()).rejects.toThrow(Interrupted);
    expect(startedSince(before)).toEqual([]);
  },
);

test('what would write or fit is refused', async () => {
  const options = { input: images, mode: 'pixels', k: 10 } as api.FeatureOptions;
  await expect(rowsOf(extractBatches(options))).rejects.toThrow(
    'Expected an option of extractBatches but received k.',
  );
});

test('more bad images than maxBad are an error', async () => {
  const options = { input: images, mode: 'pixels', maxBad: 0 } as const;
  const error = await rowsOf(extractBatches(options)).catch((failure) => failure);
  expect(error.message).toContain('Expected at most 0 bad images');
  expect(error.rejections.length).toBeGreaterThan(0);
  expect(Object.keys(error.rejections[0])).toEqual(['origin', 'reason', 'message']);
});

test('no more than a few batches are read ahead of the consumer', async () => {
  const many = join(dir, 'many', 'a');
  await mkdir(many, { recursive: true });
  const png = makePng({ width: 1, height: 1, depth: 8, colorType: 2, rows: [[1, 2, 3]] });
  const name = (n: number) => join(many, `${String(n).padStart(4, '0')}.png`);
  await Promise.all(Array.from({ length: 2000 }, (_, n) => writeFile(name(n), png)));
  const lost: string[] = [];
  const batches = extractBatches(
    { input: join(dir, 'many'), mode: 'pixels', workers: 1 },
    { onEvent: (event) => event.event === 'rejected' && lost.push(event.origin) },
  );
  await batches.next();
  await delay(300);
  // Were it read by now, its row would come.
  await unlink(name(1500));
  let next = await batches.next();
  while (!next.done) next = await batches.next();
  expect(lost).toEqual([name(1500)]);
  expect(next.value.extracted).toBe(1999);
});

test('vectors have the length and the type of those of the run that with names', async () => {
  const out = join(dir, 'half');
  const given = { input: images, mode: 'pixels', normalize: 'l2' } as const;
  await extract(resolveOptions({ ...given, out, k: 2, vectorType: 'float16', format: 'json' }));
  const rows = await rowsOf(extractBatches({ input: images, mode: 'pixels', with: out }));
  expect(rows.map(({ origin, vectors }) => [origin, vectors])).toEqual(
    readJsonRows(out).map(({ origin, vectors }) => [
      origin,
      [...Float32Array.from(vectors as number[])],
    ]),
  );
  const exact = await rowsOf(extractBatches(given));
  expect(exact[0].vectors).not.toEqual(rows[0].vectors);
  for (const { vectors } of exact) expect(Math.hypot(...(vectors as number[]))).toBeCloseTo(1, 5);
});
