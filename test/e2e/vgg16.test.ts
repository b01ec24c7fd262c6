import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { skipIf } from '../skip-if.ts';
import { type Row, readParquetRows, readRejections, readRunJson } from './read-table.ts';
import { type CliResult, listFiles, runCli, tempFolder } from './run-cli.ts';

const locate = new URL('../../dist/runtime/locate-runtime.js', import.meta.url).href;
const found = await (await import(locate)).locateRuntime();
const DEVICES = ['wasm', ...(found.cpu === undefined ? [] : ['cpu'])];

/** fc2 of a VGG16 an eighth as wide: 4096 / 8. */
const FC2_LENGTH = 512;

let dir: string;
let remove: () => Promise<void>;
let modelInit: CliResult;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  const drawn = { seed: 5, imagesPerClass: 2, minSize: 50, maxSize: 90, withBroken: true };
  await writeDataset(join(dir, 'dataset'), drawn);
  const init = ['model', 'init', 'vgg16', '--seed', '1', '--width', '0.125'];
  modelInit = await runCli(dir, ...init, '--out', 'models/vgg16');
});
afterAll(() => remove());

function vgg16(out: string, ...more: string[]): Promise<CliResult> {
  return runCli(dir, 'dataset', '--mode', 'vgg16', '--out', out, '--k', '3', ...more);
}

test('a seeded model says that it is not trained', () => {
  expect(modelInit.status).toBe(0);
  expect(modelInit.stdout + modelInit.stderr).toMatch(/not trained/i);
});

describe.each(DEVICES)('on %s', (device) => {
  let run: CliResult;
  let rows: Row[];

  beforeAll(async () => {
    run = await vgg16(`out-${device}`, '--layer', 'fc2', '--batch', '5', '--device', device);
    expect(run.stderr).toContain(`Device: ${device}`);
    rows = readParquetRows(join(dir, `out-${device}`));
  });

  test('each good image is a row, in byte order of origin, and the broken one is rejected', () => {
    expect(run.status).toBe(1);
    const origins = rows.map((row) => String(row.origin));
    const broken = 'dataset/circle/circle-broken.jpg';
    const all = listFiles(join(dir, 'dataset')).map((name) => `dataset/${name}`);
    expect(origins).toEqual(all.filter((origin) => origin !== broken));
    const rejections = readRejections(join(dir, `out-${device}`));
    expect(rejections.map(({ origin }) => origin)).toEqual([broken]);
  });

  test('vectors have the length of the layer, reduced ones k', () => {
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(['origin', 'target', 'cnn_vectors', 'cnn_vectors_redux']);
      expect(row.cnn_vectors).toHaveLength(FC2_LENGTH);
      expect(row.cnn_vectors_redux).toHaveLength(3);
    }
  });

  test('no two images have the same vector, and none is zero', () => {
    const vectors = rows.map((row) => row.cnn_vectors as number[]);
    expect(new Set(vectors.map((vector) => vector.join())).size).toBe(rows.length);
    for (const vector of vectors) expect(vector.some((x) => x > 0)).toBe(true);
  });

  test('the screen and run.json say that the model is not trained', () => {
    expect(run.stderr).toMatch(/not trained/i);
    expect(readRunJson(join(dir, `out-${device}`))).toMatchObject({ model: { trained: false } });
  });
});

test(
  'both engines give the same vectors',
  skipIf(DEVICES.length < 2, 'only one device here'),
  () => {
    const rows = readParquetRows(join(dir, 'out-cpu'));
    for (const [i, row] of readParquetRows(join(dir, 'out-wasm')).entries()) {
      expect(row.origin).toBe(rows[i]!.origin);
      expectClose(row.cnn_vectors as number[], rows[i]!.cnn_vectors as number[]);
    }
  },
);

test('another batch size gives the same vectors', async () => {
  const [device] = DEVICES;
  await vgg16('out-batch', '--layer', 'fc2', '--batch', '3', '--device', device!);
  const rows = readParquetRows(join(dir, `out-${device}`));
  for (const [i, row] of readParquetRows(join(dir, 'out-batch')).entries()) {
    expectClose(row.cnn_vectors as number[], rows[i]!.cnn_vectors as number[]);
  }
});

test('a missing model names the three ways to get one', async () => {
  const { status, stderr } = await vgg16('out-none', '--model', 'models/absent');
  expect(status).toBe(2);
  for (const way of ['convert', 'fetch', 'init']) expect(stderr).toContain(`model ${way}`);
});

test('an unknown layer names layers that are there', async () => {
  const { status, stderr } = await vgg16('out-layer', '--layer', 'fc3');
  expect(status).toBe(2);
  expect(stderr).toContain('fc3');
  expect(stderr).toContain('fc2');
});

test(
  'asking for a GPU that is not there is an error',
  skipIf(found.driver.present, 'there is a GPU driver'),
  async () => {
    const { status, stderr } = await vgg16('out-cuda', '--device', 'cuda');
    expect(status).toBe(2);
    expect(stderr).toMatch(/cuda.*driver/is);
  },
);

/** Float32 sums of up to 3,136 products in another order: six digits hold, against the largest value. */
function expectClose(actual: number[], expected: number[]): void {
  const largest = Math.max(...expected.map(Math.abs));
  const distance = Math.max(...actual.map((x, i) => Math.abs(x - expected[i]!)));
  expect(distance / largest).toBeLessThan(1e-5);
}
