import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ModelError, OptionError } from '../../src/errors.ts';
import { buildArchitecture } from '../../src/model/architectures/build-architecture.ts';
import { initModel } from '../../src/model/init-model.ts';
import { skipNow } from '../skip-if.ts';
import { rejection } from './caught.ts';
import { devices, engines, open } from './open-engines.ts';
import {
  functional,
  TINY_LAYERS,
  TINY_WEIGHTS,
  type TinyWeights,
  temporaryDir,
  writeTinyModel,
} from './tiny-model.ts';

// Two images of 2×2 RGB pixels.
// biome-ignore format: one line for each image
const PIXELS = [
  1, 2, 3,  4, 5, 6,  7, 8, 9,  10, 11, 12,
  0, 0, 0,  9, 0, 0,  0, 50, 0,  0, 0, 255,
];
// R + G + B and 2R - 1 for each pixel.
// biome-ignore format: one line for each image
const CONV = [
  6, 1,  15, 7,  24, 13,  33, 19,
  0, -1,  9, 17,  50, -1,  255, -1,
];

describe.each(engines)('on %s, %s', (device, kind) => {
  test('every layer of a hand-computed model is right, in one pass', async () => {
    const layers = 'sum,conv,conv:avg,conv:max,flat,side';
    const engine = await open(await writeTinyModel(), { device, engine: kind, layers });
    expect(engine.info).toMatchObject({
      device,
      engine: kind,
      inputSize: [2, 2],
      outputs: [
        { layer: 'sum', pool: 'none', length: 2 },
        { layer: 'conv', pool: 'none', length: 8 },
        { layer: 'conv', pool: 'avg', length: 2 },
        { layer: 'conv', pool: 'max', length: 2 },
        { layer: 'flat', pool: 'none', length: 8 },
        { layer: 'side', pool: 'none', length: 1 },
      ],
    });
    const outputs = await engine.run(Uint8Array.from(PIXELS), 2);
    expect(outputs.map((values) => [...values])).toEqual([
      [118, 94, 328, 100],
      CONV,
      [19.5, 10, 78.5, 3.5],
      [33, 19, 255, 17],
      CONV,
      [78, 314],
    ]);
  });

  test('a model inside gives its output under its name, as other tools write it', async () => {
    const [image, conv, , flat, sum] = TINY_LAYERS;
    const inner = functional(
      [{ ...image, name: 'pixels' }, { ...conv, inbound: ['pixels'] }, flat],
      'flat',
    );
    const { config } = inner.model_config as { config: Record<string, unknown> };
    const topology = functional(
      [image, { ...flat, name: 'inner', inbound: ['image'] }, sum],
      'sum',
    );
    const { layers } = (topology.model_config as { config: { layers: unknown[] } }).config;
    const inside = { ...config, name: 'inner', input_layers: [['pixels', 0, 0]] };
    // Keras 2 counts the construction of a model inside as its call 0.
    layers.splice(
      1,
      2,
      {
        class_name: 'Functional',
        name: 'inner',
        config: inside,
        inbound_nodes: [[['image', 0, 0, {}]]],
      },
      {
        class_name: 'Dense',
        name: 'sum',
        config: sum.config,
        inbound_nodes: [[['inner', 1, 0, {}]]],
      },
    );
    const { 'side/kernel': _kernel, 'side/bias': _bias, ...weights } = TINY_WEIGHTS;
    const folder = await writeTinyModel(topology, weights);
    const engine = await open(folder, { device, layers: 'sum,inner' });
    expect(engine.info.engine).toBe('eager');
    const outputs = await engine.run(Uint8Array.from(PIXELS), 2);
    expect(outputs.map((values) => [...values])).toEqual([[118, 94, 328, 100], CONV]);
    await expect(open(folder, { device, layers: 'conv' })).rejects.toMatchObject({
      message: expect.stringContaining('found "conv", which is in a model inside it.'),
      fix: expect.stringContaining(`img2features model convert ${folder.dir}`),
    });
  });

  test('without a layer the last one is read', async () => {
    const engine = await open(await writeTinyModel(), { device, engine: kind });
    expect(engine.info.outputs).toEqual([{ layer: 'sum', pool: 'none', length: 2 }]);
    expect(await engine.run(Uint8Array.from(PIXELS), 2)).toEqual([
      Float32Array.of(118, 94, 328, 100),
    ]);
  });

  test('weights that changed since they were hashed are refused', async () => {
    // Of its own: a graph that the cache holds is of the weights that were hashed, and needs no other.
    const weights = { ...TINY_WEIGHTS, 'sum/bias': [[2], [0, 101]] } satisfies TinyWeights;
    const folder = await writeTinyModel(undefined, weights);
    const bytes = readFileSync(folder.shardPaths[0]);
    bytes.writeFloatLE(7, bytes.length - 4);
    writeFileSync(folder.shardPaths[0], bytes);
    const error = await rejection(ModelError, open(folder, { device, engine: kind }));
    expect(error.message).toContain('while the model is loaded but found it changed');
  });

  test('a Sequential model works as well', async () => {
    const layers = TINY_LAYERS.filter(({ name }) => name !== 'side');
    const topology = {
      model_config: {
        class_name: 'Sequential',
        config: {
          name: 'tiny',
          layers: layers.map(({ className, config }) => ({ class_name: className, config })),
        },
      },
    };
    const { 'side/kernel': _, 'side/bias': __, ...weights } = TINY_WEIGHTS;
    const engine = await open(await writeTinyModel(topology, weights), {
      device,
      engine: kind,
      layers: 'sum,conv',
    });
    const outputs = await engine.run(Uint8Array.from(PIXELS), 2);
    expect(outputs.map((values) => [...values])).toEqual([[118, 94, 328, 100], CONV]);
  });

  test('replies come in order, alike alone and in flight, and no tensor is left', async () => {
    const engine = await open(await writeTinyModel(), { device, engine: kind, layers: 'conv,sum' });
    const batches = [1, 2, 3, 4].map((n) => Uint8Array.from(PIXELS.slice(0, 12 * n)));
    const done: number[] = [];
    const single = await engine.run(Uint8Array.from(PIXELS), 2);
    const flat = engine.numTensors();
    const inFlight = await Promise.all(
      [2, 1, 2].map(async (n, i) => {
        const outputs = await engine.run(batches[n - 1].slice(), n);
        done.push(i);
        return outputs;
      }),
    );
    expect(done).toEqual([0, 1, 2]);
    expect(inFlight[0]).toEqual(single);
    expect(inFlight[1]).toEqual([Float32Array.from(CONV.slice(0, 8)), Float32Array.of(118, 94)]);
    expect(inFlight[2]).toEqual(single);
    expect(engine.numTensors()).toBe(flat);
    expect(flat).toBeGreaterThan(0);
    expect(engine.busyMs()).toBeGreaterThan(0);
    expect(engine.peakRssBytes()).toBeGreaterThan(2 ** 20);
  });

  test('a batch larger than a slice gives each image its own features', async () => {
    const engine = await open(await writeTinyModel(), { device, engine: kind, layers: 'conv' });
    const pixels = Uint8Array.from({ length: 19 * 12 }, (_, i) => (i * 37) % 256);
    const [features] = await engine.run(pixels, 19);
    const expected = Array.from({ length: 19 * 4 }, (_, pixel) => {
      const [r, g, b] = pixels.slice(pixel * 3, pixel * 3 + 3);
      return [r + g + b, 2 * r - 1];
    });
    expect([...features]).toEqual(expected.flat());
  });
});

test('a seeded VGG16 gives the same features on every device', async (context) => {
  if (devices.length < 2) skipNow(context, 'only one device here');
  const dir = join(temporaryDir(), 'vgg16');
  const folder = await initModel({
    architecture: 'vgg16',
    seed: 1,
    width: 0.125,
    classes: 10,
    dir,
  });
  const pixels = Uint8Array.from({ length: 3 * 224 * 224 * 3 }, (_, i) => (i * i + (i >> 9)) % 256);
  const layers = 'fc1,fc2,block5_pool,block5_pool:avg,block5_pool:max,predictions';
  const [wasm, cpu] = await Promise.all(
    devices.map(async (device) => {
      const engine = await open(folder, { device, layers });
      return engine.run(pixels.slice(), 3);
    }),
  );
  for (const [i, values] of wasm.entries()) {
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const error = values.reduce((most, value, j) => Math.max(most, Math.abs(value - cpu[i][j])), 0);
    expect(largest).toBeGreaterThan(0);
    expect(error).toBeLessThanOrEqual(1e-4 * largest);
  }
  // Pooling, from the unpooled [3, 7, 7, 64].
  const [, , full, avg, max] = cpu;
  for (let c = 0; c < 64; c++) {
    const map = Array.from({ length: 49 }, (_, at) => full[at * 64 + c]);
    expect(avg[c]).toBeCloseTo(map.reduce((a, b) => a + b) / 49, 5);
    expect(max[c]).toBe(Math.max(...map));
  }
});

test('layers after the last wanted one are neither built nor read', async () => {
  const { 'sum/kernel': _, 'sum/bias': __, 'side/kernel': ___, ...weights } = TINY_WEIGHTS;
  const folder = await writeTinyModel(functional(TINY_LAYERS, 'sum'), weights);
  const engine = await open(folder, { layers: 'conv' });
  const [features] = await engine.run(Uint8Array.from(PIXELS), 2);
  expect([...features]).toEqual(CONV);
  const error = await rejection(ModelError, open(folder, { layers: 'sum' }));
  expect(error.message).toBe(
    `Expected a weight "sum/kernel" of shape [8, 2] in ${folder.dir} but found none.`,
  );
});

test('a weight of another shape is named', async () => {
  const weights = { ...TINY_WEIGHTS, 'conv/bias': [[3], [0, 0, 0]] as [number[], number[]] };
  const folder = await writeTinyModel(undefined, weights);
  const error = await rejection(ModelError, open(folder));
  expect(error.message).toBe(
    `Expected a weight "conv/bias" of shape [2] in ${folder.dir} but found [3].`,
  );
});

test('a layer without height and width cannot be pooled', async () => {
  const error = await rejection(OptionError, open(await writeTinyModel(), { layers: 'flat:avg' }));
  expect(error.message).toBe(
    'Expected --pool none for the layer flat but found avg: its output [8] has no height and width.',
  );
  expect(error.fix).toBe('Write --layer flat:none, or pool a convolutional layer.');
});

test('a layer that is not there is answered with similar ones', async () => {
  const folder = await writeTinyModel();
  const error = await rejection(OptionError, open(folder, { layers: 'sums' }));
  expect(error.message).toBe('Expected a layer of the model for --layer but found "sums".');
  expect(error.fix).toMatch(/^Did you mean sum\?/);
});

async function writeModelOf(channels: number) {
  const layers = structuredClone(TINY_LAYERS.slice(0, 2)) as typeof TINY_LAYERS;
  Object.assign(layers[0].config, { batch_input_shape: [null, 2, 2, channels] });
  return writeTinyModel(functional(layers, 'conv'), {
    'conv/kernel': [[1, 1, channels, 2], [1, 2, 0, 0].slice(0, 2 * channels)],
    'conv/bias': [[2], [0, 0]],
  });
}

test('a model of gray images takes one value for each pixel, of equal colours that value', async () => {
  const engine = await open(await writeModelOf(1));
  const outputs = await engine.run(Uint8Array.of(0, 0, 0, 1, 1, 1, 2, 2, 2, 255, 255, 255), 1);
  expect(outputs.map((values) => [...values])).toEqual([[0, 0, 1, 2, 2, 4, 255, 510]]);
});

test('a model of neither RGB nor gray images is refused', async () => {
  const folder = await writeModelOf(2);
  const error = await rejection(ModelError, open(folder));
  expect(error.message).toBe(
    `Expected one input [n, 2, 2, 3] for the model in ${folder.dir} but found [, 2, 2, 2].`,
  );
});

test('a layer that tfjs does not know is named', async () => {
  const layers = TINY_LAYERS.map((layer) =>
    layer.name === 'flat' ? { ...layer, className: 'Unheard' } : layer,
  );
  const folder = await writeTinyModel(functional(layers, 'sum'));
  const error = await rejection(ModelError, open(folder));
  expect(error.message).toMatch(/but found: Unknown layer: Unheard/);
});

test('an open input size is closed by the model’s own', async () => {
  const layers = structuredClone(TINY_LAYERS) as typeof TINY_LAYERS;
  Object.assign(layers[0].config, { batch_input_shape: [null, null, null, 3] });
  const engine = await open(await writeTinyModel(functional(layers, 'sum')), { layers: 'flat' });
  expect(engine.info.outputs).toEqual([{ layer: 'flat', pool: 'none', length: 8 }]);
});

test('the standard VGG16 keeps only what block1_pool needs', async () => {
  const { pruneTopology } = await import('../../src/engine/prune-topology.ts');
  const { topology } = buildArchitecture('vgg16');
  const pruned = pruneTopology(topology, ['block1_pool'], [224, 224]);
  const config = pruned.config as Record<string, unknown>;
  const layers = config.layers as { name: string; config: Record<string, unknown> }[];
  expect(layers.map(({ name }) => name)).toEqual([
    'input_1',
    'block1_conv1',
    'block1_conv2',
    'block1_pool',
  ]);
  expect(layers[1].config.kernel_initializer).toEqual({ class_name: 'Zeros', config: {} });
  expect(config.output_layers).toEqual([['block1_pool', 0, 0]]);
});
