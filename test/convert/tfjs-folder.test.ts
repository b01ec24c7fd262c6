import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs';
import h5wasm, { type Dataset, type Group } from 'h5wasm/node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import { unpackKerasArchive } from '../../src/convert/keras-archive.ts';
import type { ModelFolder } from '../../src/model/model-folder.ts';
import { readModelFolder } from '../../src/model/read-model-folder.ts';
import { outputLayerNames } from '../../src/model/topology-layers.ts';
import {
  agreement,
  FIXTURES,
  fixtureBytes,
  floats,
  type KerasFixture,
  predict,
  workFolder,
} from './keras-fixtures.ts';

let work: Awaited<ReturnType<typeof workFolder>>;
beforeAll(async () => {
  work = await workFolder();
  await h5wasm.ready;
  tf.enableProdMode();
  await tf.setBackend('cpu');
});
afterAll(() => work.remove());

interface Weight {
  readonly name: string;
  readonly shape: number[];
  readonly values: Float32Array;
}

type Stored = 'float32' | 'uint8' | 'uint16' | 'float16';

/** A folder as tensorflowjs_converter writes it, with --quantize_uint8 and the like. */
async function writeTfjs(
  name: string,
  modelTopology: unknown,
  weights: readonly Weight[],
  type: Stored = 'float32',
): Promise<string> {
  const dir = join(work.dir, name);
  await mkdir(dir);
  const stored = weights.map((weight) => store(weight, type));
  const bytes = Buffer.concat(stored.map((weight) => weight.bytes));
  const cut = Math.floor(bytes.length / 3);
  await writeFile(join(dir, 'group1-shard1of2.bin'), bytes.subarray(0, cut));
  await writeFile(join(dir, 'group1-shard2of2.bin'), bytes.subarray(cut));
  const json = {
    format: 'layers-model',
    generatedBy: 'keras',
    convertedBy: 'TensorFlow.js Converter v4.22.0',
    modelTopology,
    weightsManifest: [
      {
        paths: ['group1-shard1of2.bin', 'group1-shard2of2.bin'],
        weights: stored.map(({ spec }) => spec),
      },
    ],
  };
  await writeFile(join(dir, 'model.json'), JSON.stringify(json));
  return dir;
}

/** tensorflowjs.quantization: by the range of the values, moved so that 0 is one of its steps. */
function store({ name, shape, values }: Weight, dtype: Stored) {
  const spec = { name, shape, dtype: 'float32' as const };
  if (dtype === 'float32') return { spec, bytes: new Uint8Array(values.buffer) };
  if (dtype === 'float16') {
    const halves = Uint16Array.from(values, halfOf);
    const quantization = { dtype, original_dtype: 'float32' };
    return { spec: { ...spec, quantization }, bytes: new Uint8Array(halves.buffer) };
  }
  const steps = dtype === 'uint8' ? 255 : 65_535;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const scale = low === high ? 1 : (high - low) / steps;
  const min = low <= 0 && high >= 0 && low !== high ? -Math.round(-low / scale) * scale : low;
  const whole = Array.from(values, (v) => Math.round((Math.max(v, min) - min) / scale));
  const codes = dtype === 'uint8' ? Uint8Array.from(whole) : Uint16Array.from(whole);
  const quantization = { min, scale, dtype, original_dtype: 'float32' };
  return { spec: { ...spec, quantization }, bytes: new Uint8Array(codes.buffer) };
}

/** The bits of half precision, cut off. */
function halfOf(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const exponent = ((bits >> 23) & 0xff) - 112;
  if (exponent <= 0) return ((bits >>> 16) & 0x8000) | Math.round(Math.abs(value) * 2 ** 24);
  return ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >> 13) & 0x3ff);
}

/** What Teachable Machine exports: a Sequential of a Sequential around a cut MobileNet, and of a head. */
function teachableMachine() {
  const L = tf.layers;
  const image = tf.input({ shape: [16, 16, 3], name: 'input_1' });
  let x = L.zeroPadding2d({
    padding: [
      [0, 1],
      [0, 1],
    ],
    name: 'Conv1_pad',
  }).apply(image);
  x = L.conv2d({ filters: 4, kernelSize: 3, strides: 2, useBias: false, name: 'Conv1' }).apply(x);
  x = L.batchNormalization({ name: 'bn_Conv1', epsilon: 1e-3 }).apply(x);
  x = L.reLU({ maxValue: 6, name: 'Conv1_relu' }).apply(x);
  x = L.depthwiseConv2d({ kernelSize: 3, padding: 'same', name: 'depthwise' }).apply(x);
  const base = tf.model({ inputs: image, outputs: x as tf.SymbolicTensor, name: 'model1' });
  const features = tf.sequential({ name: 'sequential_1' });
  features.add(base);
  features.add(L.globalAveragePooling2d({ name: 'global_average_pooling2d' }));
  const head = tf.sequential({ name: 'sequential_3' });
  head.add(L.dense({ units: 8, activation: 'relu', inputShape: [4], name: 'dense_Dense1' }));
  head.add(L.dense({ units: 2, useBias: false, activation: 'softmax', name: 'dense_Dense2' }));
  const model = tf.sequential({ name: 'sequential_4' });
  model.add(features);
  model.add(head);
  return model;
}

const IMAGES = Uint8Array.from({ length: 2 * 16 * 16 * 3 }, (_, i) => (i * i + 31 * i) % 256);
const METADATA = '{"packageName":"@teachablemachine/image","labels":["cat","dog"],"imageSize":16}';

async function writeTeachable(name: string, type: Stored = 'float32'): Promise<string> {
  const model = teachableMachine();
  const topology: unknown = model.toJSON(null, false);
  const weights = await Promise.all(
    model.weights.map(async (weight) => ({
      name: weight.originalName,
      shape: weight.shape as number[],
      values: (await weight.read().data()) as Float32Array,
    })),
  );
  tf.dispose(model.weights.map((weight) => weight.read()));
  const dir = await writeTfjs(name, topology, weights, type);
  await writeFile(join(dir, 'metadata.json'), METADATA);
  return dir;
}

/** What stock tfjs reads and computes from an unconverted folder. */
async function runStock(dir: string) {
  const { modelTopology, weightsManifest } = JSON.parse(
    await readFile(join(dir, 'model.json'), 'utf8'),
  );
  const [{ paths, weights: weightSpecs }] = weightsManifest;
  const shards = await Promise.all(paths.map((path: string) => readFile(join(dir, path))));
  const weightData = new Uint8Array(Buffer.concat(shards)).buffer;
  const model = await tf.loadLayersModel({
    load: async () => ({ modelTopology, weightSpecs, weightData }),
  });
  const input = tf.tensor4d(
    Float32Array.from(IMAGES, (v) => v / 127.5 - 1),
    [2, 16, 16, 3],
  );
  const output = model.predict(input) as tf.Tensor;
  const values = (await output.data()) as Float32Array;
  const weights = new Map<string, Uint8Array>();
  for (const [name, tensor] of Object.entries(tf.io.decodeWeights(weightData, weightSpecs))) {
    weights.set(name, new Uint8Array(tensor.dataSync().buffer));
  }
  tf.dispose([input, output, model.weights.map((weight) => weight.read())]);
  return { output: values, weights };
}

const LAYERS = ['output_0', 'global_average_pooling2d', 'Conv1'];

describe('a model of Teachable Machine', () => {
  test.each(['float32', 'uint8', 'uint16', 'float16'] as const)(
    'in %s is converted without options and computes what tfjs does',
    async (type) => {
      const dir = await writeTeachable(`teachable-${type}`, type);
      const stock = await runStock(dir);
      const notes: string[] = [];
      const folder = await convertModel({
        file: type === 'float32' ? dir : join(dir, 'model.json'),
        dir: `${dir}-converted`,
        onNote: (note) => notes.push(note),
      });
      const rounded = `10 of 10 weights are quantized (${type}): the features are those of the rounded weights`;
      expect(notes).toEqual([
        ...(type === 'float32' ? [] : [rounded]),
        'recognised a model of Teachable Machine: preprocessing tf',
      ]);
      expect(folder.metadata).toMatchObject({
        preprocessing: 'tf',
        inputSize: [16, 16],
        source: { kind: 'tfjs', by: 'keras, TensorFlow.js Converter v4.22.0' },
      });
      const shards = await Promise.all(folder.shardPaths.map((path) => readFile(path)));
      const expected = folder.weights.map(({ name }) => stock.weights.get(name)!);
      expect(Buffer.concat(shards)).toEqual(Buffer.concat(expected));
      const images = deflateSync(IMAGES).toString('base64');
      const found = await predict(folder, { images } as KerasFixture, LAYERS);
      const { values } = found.get('output_0')!;
      expect(agreement(values, stock.output).error).toBeLessThanOrEqual(1e-6);
      // The layers of the models inside are layers of the model, and the models keep their names.
      expect(folder.metadata.nested).toEqual({
        model1: 'depthwise',
        sequential_1: 'global_average_pooling2d',
        sequential_3: 'dense_Dense2',
      });
      expect(found.get('global_average_pooling2d')!.shape).toEqual([2, 4]);
      expect(found.get('Conv1')!.shape).toEqual([2, 8, 8, 4]);
    },
  );

  test('leaves its input size to the model inside: unconverted it cannot be used', async () => {
    const dir = await writeTeachable('open');
    await expect(readModelFolder(dir, { preprocessing: 'tf' })).rejects.toMatchObject({
      message: expect.stringContaining('with fixed sizes'),
      fix: expect.stringContaining(`img2features model convert ${dir}`),
    });
  });

  test('is never replaced by what it is converted into', async () => {
    const dir = await writeTeachable('place');
    await expect(convertModel({ file: dir, dir, overwrite: true })).rejects.toThrow(
      `Expected another folder for --out but found that of the model, ${dir}.`,
    );
  });

  test('that is quantized cannot be used unconverted: the command is named', async () => {
    const dir = await writeTeachable('raw', 'uint8');
    await expect(readModelFolder(dir, { preprocessing: 'tf' })).rejects.toMatchObject({
      message: expect.stringContaining('but found quantized values.'),
      fix: `Convert it: img2features model convert ${dir} --out models/mine; then give --model models/mine.`,
    });
  });
});

/** The topology and the weights of a fixture, named as the file names them. */
async function readFixture(name: string) {
  const path = await work.put(name.replaceAll('/', '-'), await fixtureBytes(name));
  const file = new h5wasm.File(path, 'r');
  const root = file.get('model_weights') as Group;
  const weights: Weight[] = [];
  const visit = (group: Group): void => {
    const names = group.attrs.weight_names?.value as string[] | undefined;
    for (const weight of names ?? []) {
      const { shape, value } = group.get(weight) as Dataset;
      weights.push({
        name: weight.replace(/:0$/, ''),
        shape: shape!,
        values: Float32Array.from(
          ArrayBuffer.isView(value) ? (value as Float32Array) : [Number(value)],
        ),
      });
    }
    for (const inner of group.keys()) {
      const entity = group.get(inner);
      if (names === undefined && entity instanceof h5wasm.Group) visit(entity);
    }
  };
  visit(root);
  const config = JSON.parse(file.attrs.model_config!.value as string);
  const version = file.attrs.keras_version!.value as string;
  file.close();
  return { config, version, weights };
}

async function expectFixture(folder: ModelFolder, model: string, generation: string) {
  const fixture = FIXTURES[model]!;
  const expected = fixture.outputs[generation]!;
  const found = await predict(folder, fixture, Object.keys(expected));
  for (const [layer, { shape, values }] of Object.entries(expected)) {
    expect(found.get(layer)!.shape, layer).toEqual(shape);
    expect(agreement(found.get(layer)!.values, floats(values)).error).toBeLessThanOrEqual(1e-4);
  }
}

describe("a folder of tensorflowjs_converter computes Keras' own numbers", () => {
  const models = ['sequential', 'branches', 'transfer', 'normalised', 'recurrent'];
  const cases = models
    .flatMap((model) => ['keras2', 'keras3'].map((generation) => ({ model, generation })))
    .filter(({ model, generation }) => FIXTURES[model]!.files[`${generation}-model.h5`]);
  test.each(cases)('$model from a $generation .h5', async ({ model, generation }) => {
    const { config, version, weights } = await readFixture(`${model}.${generation}-model.h5`);
    const topology = { keras_version: version, backend: 'tensorflow', model_config: config };
    const file = await writeTfjs(`${model}-${generation}`, topology, weights);
    const folder = await convertModel({ file, dir: `${file}-converted`, preprocessing: 'none' });
    await expectFixture(folder, model, generation);
  });

  test('a topology of Keras 3 cannot be used unconverted: the command is named', async () => {
    const { config, version, weights } = await readFixture('branches.keras3-model.h5');
    const dir = await writeTfjs(
      'raw-keras3',
      { keras_version: version, model_config: config },
      weights,
    );
    await expect(readModelFolder(dir, { preprocessing: 'none' })).rejects.toMatchObject({
      message: expect.stringContaining('inbound_nodes'),
      fix: expect.stringContaining(`img2features model convert ${dir}`),
    });
  });

  test('twins from .keras, whose weights keep the paths they had there', async () => {
    const path = await work.put('twins.keras', await fixtureBytes('twins.keras3.keras'));
    const archive = await unpackKerasArchive(path, work.dir);
    const file = new h5wasm.File(archive.weightsPath, 'r');
    const weights = (file.paths() as string[]).flatMap((name): Weight[] => {
      const entity = file.get(name);
      if (!(entity instanceof h5wasm.Dataset)) return [];
      const values = Float32Array.from(entity.value as Float32Array);
      return [{ name: name.replace(/^\//, ''), shape: entity.shape!, values }];
    });
    file.close();
    const topology = {
      keras_version: archive.metadata.keras_version,
      // The converter leaves these fields out.
      model_config: JSON.parse(JSON.stringify(archive.config), (key, value) =>
        ['module', 'registered_name', 'date_saved'].includes(key) ? undefined : value,
      ),
    };
    await archive.remove();
    const dir = await writeTfjs('twins', topology, weights);
    const folder = await convertModel({
      file: dir,
      dir: `${dir}-converted`,
      preprocessing: 'none',
    });
    await expectFixture(folder, 'twins', 'keras3');
  });
});

describe('a description in JSON with its weights beside it', () => {
  test.each([
    ['keras2', 'vgg16.keras2-weights.h5', 'model_weights.h5'],
    ['keras3', 'vgg16.keras3.weights.h5', 'model.weights.h5'],
  ])('of model.to_json() in %s', async (generation, weights, name) => {
    const { config, version } = await readFixture(`vgg16.${generation}-model.h5`);
    const dir = join(work.dir, `json-${generation}`);
    await mkdir(dir);
    const more = generation === 'keras2' ? { keras_version: version, backend: 'tensorflow' } : {};
    await writeFile(join(dir, 'model.json'), JSON.stringify({ ...config, ...more }));
    await writeFile(join(dir, name), await fixtureBytes(weights));
    const folder = await convertModel({ file: dir, dir: `${dir}-converted` });
    expect(folder.metadata).toMatchObject({
      architecture: 'vgg16',
      source: { kind: 'keras', file: name, format: expect.stringMatching(/^model\.json and /) },
    });
    await expectFixture(folder, 'vgg16', generation);
  });

  test('of an unpacked .keras file', async () => {
    const path = await work.put('vgg16.keras', await fixtureBytes('vgg16.keras3.keras'));
    const { metadata, config, weightsPath, remove } = await unpackKerasArchive(path, work.dir);
    const dir = join(work.dir, 'unpacked');
    await mkdir(dir);
    await writeFile(join(dir, 'metadata.json'), JSON.stringify(metadata));
    await writeFile(join(dir, 'config.json'), JSON.stringify(config));
    await writeFile(join(dir, 'model.weights.h5'), await readFile(weightsPath));
    await remove();
    const folder = await convertModel({ file: dir, dir: `${dir}-converted` });
    await expectFixture(folder, 'vgg16', 'keras3');
    await expect(readModelFolder(dir)).rejects.toThrow('but found an unpacked .keras file.');
  });

  test('needs one file of weights, by its name where there are several', async () => {
    const dir = join(work.dir, 'several');
    await mkdir(dir);
    await writeFile(join(dir, 'net.json'), '{"class_name": "Sequential", "config": {}}');
    const converting = () => convertModel({ file: join(dir, 'net.json'), dir: `${dir}-converted` });
    await expect(converting()).rejects.toThrow(
      `Expected one file of weights (.h5) beside ${join(dir, 'net.json')} but found none.`,
    );
    await writeFile(join(dir, 'a.h5'), 'x');
    await writeFile(join(dir, 'b.h5'), 'x');
    await expect(converting()).rejects.toThrow('but found a.h5, b.h5.');
    await writeFile(join(dir, 'net_weights.h5'), 'x');
    await expect(converting()).rejects.toThrow(`in ${join(dir, 'net_weights.h5')}`);
  });
});

describe('--until', () => {
  /** The transfer-learning model with a Lambda and a second input behind its head, as model.to_json() and an .h5. */
  async function writeWithLambda(name: string) {
    const { config, version } = await readFixture('transfer.keras2-model.h5');
    const { layers, input_layers } = config.config;
    const layer = (class_name: string, own: string, from: string[], settings: object) => ({
      class_name,
      name: own,
      config: { name: own, trainable: true, ...settings },
      inbound_nodes: from.length === 0 ? [] : [from.map((one) => [one, 0, 0, {}])],
    });
    layers.push(
      layer('Lambda', 'doubled', ['head'], { function: ['4wEAAA==', null, null] }),
      layer('InputLayer', 'age', [], { batch_input_shape: [null, 1] }),
      layer('Concatenate', 'both', ['doubled', 'age'], {}),
    );
    config.config.input_layers = [...input_layers, ['age', 0, 0]];
    config.config.output_layers = [['both', 0, 0]];
    const dir = join(work.dir, name);
    await mkdir(dir);
    await writeFile(join(dir, 'model.json'), JSON.stringify({ ...config, keras_version: version }));
    await writeFile(join(dir, 'model.h5'), await fixtureBytes('transfer.keras2-model.h5'));
    return (until?: string) =>
      convertModel({
        file: dir,
        dir: `${dir}-until-${until}`,
        preprocessing: 'none',
        ...(until !== undefined && { until }),
      });
  }

  test('converts what comes before layers that cannot be converted', async () => {
    const convert = await writeWithLambda('lambda');
    await expect(convert()).rejects.toMatchObject({
      message: expect.stringContaining('found Lambda "doubled": it holds Python code.'),
      fix: expect.stringContaining('Convert the model up to the layer before it: --until head,'),
    });
    await expectFixture(await convert('head'), 'transfer', 'keras2');
    await expect(convert('both')).rejects.toThrow('found Lambda "doubled"');
    await expect(convert('heat')).rejects.toMatchObject({
      message: 'Expected a layer of the model for --until but found "heat".',
      fix: 'Did you mean head?',
    });
  });

  test('ends at the output of a model inside, under its name of the summary', async () => {
    const folder = await (await writeWithLambda('inside'))('mobilenetv2_0.35_32');
    expect(outputLayerNames(folder.topology)).toEqual(['out_relu']);
    expect(folder.metadata.nested).toMatchObject({ 'mobilenetv2_0.35_32': 'out_relu' });
    expect(folder.weights.some(({ name }) => name.startsWith('head/'))).toBe(false);
  });

  test('is refused for a file of weights alone', async () => {
    const file = await work.put('alone.h5', await fixtureBytes('vgg16.keras2-weights.h5'));
    const converting = convertModel({ file, dir: `${file}-converted`, until: 'fc1' });
    await expect(converting).rejects.toThrow('Expected a file with the whole model for --until');
  });
});
