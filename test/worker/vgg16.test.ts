import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { readParquetRows, readRejections, readRunJson } from '../e2e/read-table.ts';
import { listFiles, runInProcess, tempFolder } from '../e2e/run-cli.ts';
import { type AnsweredCells, decodeStreams, encodeStream, type SentRow } from './arrow-streams.ts';
import { runWorker, serveInProcess, type WorkerEnd } from './worker-process.ts';

const locate = new URL('../../dist/runtime/locate-runtime.js', import.meta.url).href;
const found = await (await import(locate)).locateRuntime();
const DEVICES = ['wasm', ...(found.cpu === undefined ? [] : ['cpu'])];

let dir: string;
let remove: () => Promise<void>;
let rows: SentRow[];

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  const drawn = { seed: 5, imagesPerClass: 3, minSize: 50, maxSize: 90, withBroken: true };
  await writeDataset(join(dir, 'dataset'), drawn);
  const slim = ['--seed', '1', '--width', '0.125', '--out', 'models/vgg16'];
  await runInProcess(dir, 'model', 'init', 'vgg16', ...slim);
  rows = listFiles(join(dir, 'dataset')).map((name) => {
    const origin = `dataset/${name}`;
    return { origin, content: readFileSync(join(dir, origin)) };
  });
});
afterAll(() => remove());

describe.each(DEVICES)('on %s', (device) => {
  const network = ['--mode', 'vgg16', '--layer', 'block5_pool:avg,fc2', '--batch', '4'];
  let answer: WorkerEnd;

  beforeAll(async () => {
    const args = [...network, '--device', device];
    await runInProcess(dir, 'dataset', ...args, '--out', device, '--k', '0');
    // A shard holds up to 512 images: all 19 are one, and so is each of these streams.
    const streams = [encodeStream(rows, { batchRows: 3 }), encodeStream(rows, { batchRows: 19 })];
    answer = await runWorker(args, streams, { cwd: dir });
  });

  test('a stream with the rows of a shard gives the numbers of that shard, bit for bit', () => {
    expect(answer.status).toBe(0);
    const [one, other] = decodeStreams(answer.stdout) as [AnsweredCells[], AnsweredCells[]];
    expect(other).toEqual(one);
    const accepted = one.flatMap(({ status, error, ...row }) => (status === 'ok' ? [row] : []));
    expect(accepted).toEqual(readParquetRows(join(dir, device)));
    expect(accepted[0]!.cnn_vectors_fc2).toHaveLength(512);
    const rejected = one.flatMap(({ origin, status: reason, error: message }) =>
      reason === 'ok' ? [] : [{ origin, reason, message }],
    );
    expect(rejected).toEqual(readRejections(join(dir, device)));
    expect(rejected).toHaveLength(1);
  });

  test('ready tells the network, as run.json does', () => {
    const { device: used, model } = readRunJson(join(dir, device));
    expect(answer.events[0]).toMatchObject({
      event: 'ready',
      columns: [
        'origin',
        'target',
        'cnn_vectors_block5_pool',
        'cnn_vectors_fc2',
        'status',
        'error',
      ],
      features: [
        { name: 'cnn_vectors_block5_pool', layer: 'block5_pool', pool: 'avg', length: 64 },
        { name: 'cnn_vectors_fc2', layer: 'fc2', pool: 'none', length: 512 },
      ],
      lengths: [64, 512],
      device,
      engine: used.engine,
      precision: 'fp32',
      batch: 4,
      model: { architecture: 'vgg16', trained: false, weightsSha256: model.weightsSha256 },
    });
    const warnings = answer.events.filter(({ event }) => event === 'warning');
    expect(warnings).toEqual([
      { event: 'warning', message: expect.stringMatching(/seeded weights, not trained/) },
    ]);
  });
});

test('what cannot be opened is told before any input is read', async () => {
  const cases: [Record<string, string>, string, RegExp][] = [
    [{ model: 'nowhere' }, 'ModelError', /nowhere/],
    [{ layer: 'fc3' }, 'OptionError', /fc3/],
    [{ device: 'wasm', engine: 'graph' }, 'EngineError', /--engine graph/],
  ];
  for (const [given, name, message] of cases) {
    const options = { mode: 'vgg16', ...given };
    const { error, stdout } = await serveInProcess(options, new Uint8Array(0), dir);
    expect(error).toMatchObject({ name, message: expect.stringMatching(message) });
    expect(stdout).toHaveLength(0);
  }
});
