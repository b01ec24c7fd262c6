import { expect, onTestFinished, test } from 'vitest';
import { openEnginePool } from '../../../src/engine/engine-pool.ts';
import { EngineError } from '../../../src/errors.ts';
import type { DecodedChunk } from '../../../src/image/decoded-chunk.ts';
import type { Extractor } from '../../../src/pipeline/extractor/extractor.ts';
import { runBatches } from '../../../src/pipeline/stream/run-batches.ts';
import { chooseDevice } from '../../../src/runtime/choose-device.ts';
import { rejection } from '../../engine/caught.ts';
import { engines, open } from '../../engine/open-engines.ts';
import { TINY_WEIGHTS, writeTinyModel } from '../../engine/tiny-model.ts';

// Engines on WebAssembly take the place of engines on GPUs: none was at hand.

const PLAIN = { normalize: 'none', vectorType: 'float32' } as const;
const platform = { name: 'test', key: undefined, reason: 'a test' } as const;
const driver = { present: false, version: undefined, devices: [], detail: 'no driver' } as const;
const wasm = chooseDevice('wasm', { platform, driver });

/** Two shards of 13 images and 8 (2×2 pixels), in chunks of 4; image 5 is bad. */
const SHARDS = [13, 8];

async function* decoded(): AsyncGenerator<DecodedChunk> {
  let index = 0;
  for (const { images } of chunks()) {
    const all = Array.from({ length: images }, () => index++);
    const indices = all.filter((image) => image !== 5);
    const pixels = Uint8Array.from({ length: indices.length * 12 }, (_, i) => {
      return (31 * indices[Math.floor(i / 12)]! + 7 * (i % 12)) % 256;
    });
    const rejections = all.includes(5) ? [{ index: 5, reason: 'truncated', message: '' }] : [];
    yield { indices, pixels, rejections } as unknown as DecodedChunk;
  }
}

function chunks() {
  return SHARDS.flatMap((count, shard) =>
    Array.from({ length: Math.ceil(count / 4) }, (_, i) => ({
      shard,
      images: Math.min(4, count - 4 * i),
      isLastOfShard: 4 * (i + 1) >= count,
    })),
  );
}

async function featuresOf(engines: number, padTo: number[] = []) {
  const folder = await writeTinyModel();
  const spec = {
    layers: [],
    precision: 'fp32',
    threads: 1,
  } as const;
  const pool = await openEnginePool(Array(engines).fill(spec), folder, wasm);
  onTestFinished(() => pool.close());
  pool.padTo(padTo);
  const { inputSize, outputs } = pool.info;
  const extractor = {
    ...{ inputSize, outputs, batchSize: 3, inFlight: 3 * engines },
    run: (pixels: Uint8Array, n: number) => pool.run(pixels, n),
  } as Extractor;
  const rows: unknown[] = [];
  for await (const { batch, outputs } of runBatches(
    decoded(),
    chunks(),
    extractor,
    PLAIN,
    String,
  )) {
    rows.push({
      shard: batch.shard,
      indices: batch.indices,
      features: outputs.map((it) => [...it]),
    });
  }
  return { rows, images: pool.members().map((member) => member.images) };
}

test('three engines give the batches of one, in the same order, also filled up', async () => {
  const one = await featuresOf(1);
  expect(one.images).toEqual([20]);
  expect(one.rows).toHaveLength(4 + 3);
  const three = await featuresOf(3);
  expect(three.rows).toEqual(one.rows);
  expect(three.images.reduce((sum, images) => sum + images)).toBe(20);
  expect(three.images.filter((images) => images > 0).length).toBeGreaterThan(1);
  const filled = await featuresOf(2, [2, 3]);
  expect(filled.rows).toEqual(one.rows);
  expect(filled.images.reduce((sum, images) => sum + images)).toBe(20);
});

test.each(engines)(
  'a feature that is not finite stops the run on %s, %s',
  async (device, engine) => {
    const folder = await writeTinyModel(undefined, {
      ...TINY_WEIGHTS,
      'sum/bias': [[2], [0, 3.4e38]],
      'sum/kernel': [
        [8, 2],
        [1, 3e37, ...Array(14).fill(0)],
      ],
    });
    const network = await open(folder, { device, engine });
    const run = (pixels: Uint8Array, n: number) => network.run(pixels, n);
    const extractor = { ...network.info, batchSize: 3, inFlight: 2, run } as unknown as Extractor;
    const batches = runBatches(
      decoded(),
      chunks(),
      extractor,
      PLAIN,
      (index) => `image-${index}.png`,
    );
    const error = await rejection(EngineError, batches.next());
    expect(error.message).toBe(
      'Expected finite features of layer sum for image-0.png but found Infinity.',
    );
  },
);
