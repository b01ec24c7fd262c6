import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import { buildArchitecture } from '../../src/model/architectures/build-architecture.ts';
import type { WeightSpec } from '../../src/model/model-folder.ts';
import { readModelFolder } from '../../src/model/read-model-folder.ts';
import { ShardWriter } from '../../src/model/shard-writer.ts';
import {
  type ModelFolderContent,
  type WeightStream,
  writeModelFolder,
} from '../../src/model/write-model-folder.ts';

/** One 2×2 convolution over a 4×4 picture: 1·(2·2·3) + 1 = 13 weights. */
const TOPOLOGY = {
  keras_version: '2.15.0',
  backend: 'tensorflow',
  model_config: {
    class_name: 'Sequential',
    config: {
      name: 'tiny',
      layers: [
        {
          class_name: 'Conv2D',
          config: {
            name: 'conv',
            batch_input_shape: [null, 4, 4, 3],
            filters: 1,
            kernel_size: [2, 2],
            padding: 'valid',
          },
        },
      ],
    },
  },
};
const KERNEL: WeightSpec = { name: 'conv/kernel', shape: [2, 2, 3, 1], dtype: 'float32' };
const BIAS: WeightSpec = { name: 'conv/bias', shape: [1], dtype: 'float32' };
const KERNEL_BYTES = new Uint8Array(Float32Array.from({ length: 12 }, (_, i) => i / 8).buffer);
const BIAS_BYTES = new Uint8Array(Float32Array.of(-1).buffer);
const SHA256 = createHash('sha256').update(KERNEL_BYTES).update(BIAS_BYTES).digest('hex');

const tiny = (): ModelFolderContent => ({
  topology: TOPOLOGY,
  metadata: {
    architecture: null,
    preprocessing: 'torch',
    inputSize: [4, 4],
    trained: true,
    source: { kind: 'keras', file: 'tiny.h5', format: 'Keras 2 model', sha256: 'ab' },
  },
  weights: [
    { spec: KERNEL, chunks: [KERNEL_BYTES.subarray(0, 20), KERNEL_BYTES.subarray(20)] },
    { spec: BIAS, chunks: [BIAS_BYTES] },
  ],
});

let root: string;
let dir: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'img2features-model-'));
  dir = join(root, 'models', 'tiny');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const readJson = async () => JSON.parse(await readFile(join(dir, 'model.json'), 'utf8'));
const writeJson = (json: unknown) => writeFile(join(dir, 'model.json'), JSON.stringify(json));

/**
 * Writes the tiny model, changes its model.json and reads it again.
 * @param changes new values by path ("weightsManifest.0.paths"); undefined removes the field
 */
async function readChanged(changes: Record<string, unknown>, preprocessing?: 'tf') {
  await writeModelFolder(dir, tiny());
  const json = await readJson();
  for (const [path, value] of Object.entries(changes)) {
    const fields = path.split('.');
    const last = fields.pop()!;
    const parent = fields.reduce((object, field) => object[field], json);
    if (value === undefined) delete parent[last];
    else parent[last] = value;
  }
  await writeJson(json);
  return readModelFolder(dir, { preprocessing });
}

describe('a written folder', () => {
  test('reads back as it was written, with the SHA-256 of its weights', async () => {
    const written = await writeModelFolder(dir, tiny());
    expect(written).toEqual({
      dir,
      topology: TOPOLOGY,
      weights: [KERNEL, BIAS],
      shardPaths: [join(dir, 'group1-shard1of1.bin')],
      shardStamps: [expect.stringMatching(/^\d+:\d+:52:\d+:\d+$/)],
      metadata: { ...tiny().metadata, weightsSha256: SHA256 },
    });
    expect(await readModelFolder(dir)).toEqual(written);
    const bytes = await readFile(join(dir, 'group1-shard1of1.bin'));
    expect(bytes).toEqual(Buffer.concat([KERNEL_BYTES, BIAS_BYTES]));
  });

  test('says in tfjs’ own fields what it is', async () => {
    await writeModelFolder(dir, { ...tiny(), generatedBy: 'keras v2.15.0' });
    const json = await readJson();
    expect([json.format, json.generatedBy, json.convertedBy]).toEqual([
      'layers-model',
      'keras v2.15.0',
      'img2features',
    ]);
  });

  test('leaves nothing beside itself', async () => {
    await writeModelFolder(dir, tiny());
    expect(await readdir(join(root, 'models'))).toEqual(['tiny']);
    expect((await readdir(dir)).sort()).toEqual(['group1-shard1of1.bin', 'model.json']);
  });

  test('takes the place of an empty folder', async () => {
    await mkdir(dir, { recursive: true });
    await writeModelFolder(dir, tiny());
    expect((await readdir(dir)).length).toBe(2);
  });

  test('replaces an older model when told to', async () => {
    await writeModelFolder(dir, tiny());
    const weights = [{ spec: BIAS, chunks: [BIAS_BYTES] }];
    const { weights: specs } = await writeModelFolder(dir, { ...tiny(), weights, overwrite: true });
    expect(specs).toEqual([BIAS]);
    expect(await readdir(join(root, 'models'))).toEqual(['tiny']);
  });

  test('may come from a producer that uses one buffer for all chunks', async () => {
    const buffer = new Uint8Array(4);
    function* chunks() {
      for (let at = 0; at < KERNEL_BYTES.length; at += 4) {
        buffer.set(KERNEL_BYTES.subarray(at, at + 4));
        yield buffer;
      }
    }
    const weights = [
      { spec: KERNEL, chunks: chunks() },
      { spec: BIAS, chunks: [BIAS_BYTES] },
    ];
    const { metadata } = await writeModelFolder(dir, { ...tiny(), weights });
    expect(metadata.weightsSha256).toBe(SHA256);
  });
});

test('shards are cut at their size across weights and numbered at the end', async () => {
  const shards = new ShardWriter(root, 24);
  await shards.write(KERNEL_BYTES);
  await shards.write(BIAS_BYTES);
  const { paths, sha256 } = await shards.finish();
  expect(paths).toEqual(['group1-shard1of3.bin', 'group1-shard2of3.bin', 'group1-shard3of3.bin']);
  const sizes = await Promise.all(
    paths.map(async (name) => (await readFile(join(root, name))).length),
  );
  expect(sizes).toEqual([24, 24, 4]);
  expect(sha256).toBe(SHA256);
});

describe('writing refuses', () => {
  const failing = async (content: Partial<ModelFolderContent>, message: string) => {
    await expect(writeModelFolder(dir, { ...tiny(), ...content })).rejects.toThrow(message);
  };

  test('a folder with something else in it', async () => {
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'thesis.txt'), 'years of work');
    await failing({ overwrite: true }, `found ${dir} with thesis.txt in it`);
    expect(await readFile(join(dir, 'thesis.txt'), 'utf8')).toBe('years of work');
  });

  test('to replace a model without being told to', async () => {
    await writeModelFolder(dir, tiny());
    await failing({}, `Expected a new folder for the model but found a model in ${dir}.`);
  });

  test('to replace a model that has company', async () => {
    await writeModelFolder(dir, tiny());
    await writeFile(join(dir, 'notes.md'), '');
    await failing({ overwrite: true }, `found notes.md there too`);
  });

  test('weights of another size than their shape', async () => {
    await failing(
      { weights: [{ spec: KERNEL, chunks: [KERNEL_BYTES.subarray(4)] }] },
      'Expected 48 bytes for weight conv/kernel of shape [2, 2, 3, 1] but found 44.',
    );
    expect(await readdir(join(root, 'models'))).toEqual([]);
  });

  test('the same weight twice', async () => {
    const bias = { spec: BIAS, chunks: [BIAS_BYTES] };
    await failing({ weights: [bias, bias] }, 'but found conv/bias twice');
    expect(await readdir(join(root, 'models'))).toEqual([]);
  });

  test('a path under a file', async () => {
    await writeFile(join(root, 'models'), '');
    await failing({}, `Expected to write the model to ${dir} but found:`);
  });
});

test('a producer that fails half-way leaves the old model and no temporary folder', async () => {
  await writeModelFolder(dir, tiny());
  async function* weights(): AsyncGenerator<WeightStream> {
    yield { spec: KERNEL, chunks: [KERNEL_BYTES] };
    throw new ModelError('Expected a whole file but found half of it.');
  }
  const writing = writeModelFolder(dir, { ...tiny(), weights: weights(), overwrite: true });
  await expect(writing).rejects.toThrow('found half of it');
  expect(await readdir(join(root, 'models'))).toEqual(['tiny']);
  await readModelFolder(dir);
});

test('an abort stops writing and leaves nothing', async () => {
  const controller = new AbortController();
  function* chunks() {
    yield KERNEL_BYTES.subarray(0, 4);
    controller.abort();
    yield KERNEL_BYTES.subarray(4);
  }
  const weights = [{ spec: KERNEL, chunks: chunks() }];
  const writing = writeModelFolder(dir, { ...tiny(), weights, signal: controller.signal });
  await expect(writing).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  expect(await readdir(join(root, 'models'))).toEqual([]);
});

test('of two writers at once one wins and the other says so', async () => {
  const writing = [writeModelFolder(dir, tiny()), writeModelFolder(dir, tiny())];
  const results = await Promise.allSettled(writing);
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const lost = results.find((result) => result.status === 'rejected');
  expect(lost?.reason).toBeInstanceOf(ModelError);
  await readModelFolder(dir);
  expect(await readdir(join(root, 'models'))).toEqual(['tiny']);
});

describe('after a killed writer', () => {
  const deadPid = () => spawnSync(process.execPath, ['-e', '']).pid;
  const leftover = (pid: number, end: string) =>
    join(root, 'models', `.tiny.img2features-${hostname()}-${pid}-0badcafe${end}`);

  test('its temporary folder goes', async () => {
    await mkdir(leftover(deadPid(), ''), { recursive: true });
    await writeModelFolder(dir, tiny());
    expect(await readdir(join(root, 'models'))).toEqual(['tiny']);
  });

  test('the temporary folder of a writer that still runs stays', async () => {
    const path = leftover(process.pid, '');
    await mkdir(path, { recursive: true });
    await writeModelFolder(dir, tiny());
    expect(existsSync(path)).toBe(true);
  });

  test('an old model that had stepped aside comes back', async () => {
    const path = leftover(deadPid(), '-old');
    await writeModelFolder(path, tiny());
    await expect(writeModelFolder(dir, tiny())).rejects.toThrow('but found a model in');
    await readModelFolder(dir);
  });
});

describe('a missing model', () => {
  test('names the three ways to get one', async () => {
    const error = await readModelFolder(join(root, 'vgg16')).catch((failure) => failure);
    expect(error).toBeInstanceOf(ModelError);
    expect(error.message).toBe(
      `Expected a model in ${join(root, 'vgg16')} but found no model.json.`,
    );
    expect(error.fix).toContain('img2features model fetch vgg16 ');
    expect(error.fix).toContain(
      `img2features model convert <keras file> --out ${join(root, 'vgg16')}`,
    );
    expect(error.fix).toContain('img2features model init vgg16 --seed 1');
  });

  test('keeps the folder that was asked for in the commands', async () => {
    const error = await readModelFolder(dir).catch((failure) => failure);
    expect(error.fix).toContain(`img2features model fetch vgg16 --out ${dir}`);
  });

  test.each([
    ['net.pth', 'PK\x03\x04', 'a PyTorch file', 'Only Keras models can be used'],
    ['old', '\x80\x02\x8a', 'a PyTorch file', 'Only Keras models can be used'],
    ['net.onnx', '\x08\x07', 'an ONNX file', 'Only Keras models can be used'],
    ['net', '\x1c\0\0\0TFL3', 'a TensorFlow Lite file', 'Only Keras models can be used'],
    ['net.h5', '\x89HDF\r\n', 'a Keras file', 'img2features model convert'],
    ['folder/vgg.keras', 'PK', 'a folder with vgg.keras', 'folder/vgg.keras --out models/mine'],
    [
      'folder/saved_model.pb',
      '',
      'a folder with saved_model.pb, a TensorFlow SavedModel',
      'save it again',
    ],
    ['net.h5', 'version https://git-lfs.github.com/spec/v1', 'a Git LFS pointer', 'git lfs pull'],
    ['folder/net.json', '{}', 'a folder with net.json', 'img2features model convert'],
    ['net.json', '{"class_name"', 'a JSON file', 'img2features model convert'],
    ['file', '', 'a file', 'Give the folder that holds model.json'],
  ])('%s is named for what it is', async (name, bytes, what, fix) => {
    await mkdir(join(root, 'folder'));
    await writeFile(join(root, name), bytes, 'latin1');
    if (name === 'folder/net.json') await writeFile(join(root, 'folder', 'net.weights.bin'), '');
    const given = join(root, name.split('/')[0]!);
    const error = await readModelFolder(given).catch((failure) => failure);
    expect(error).toBeInstanceOf(ModelError);
    expect(error.message).toBe(`Expected a model folder in ${given} but found ${what}.`);
    expect(error.fix).toContain(fix);
  });

  test('its model.json may be named in place of the folder', async () => {
    const written = await writeModelFolder(dir, tiny());
    expect(await readModelFolder(join(dir, 'model.json'))).toEqual(written);
  });
});

describe('a damaged folder', () => {
  test('model.json with a byte-order mark is read', async () => {
    const written = await writeModelFolder(dir, tiny());
    await writeFile(
      join(dir, 'model.json'),
      `\ufeff${await readFile(join(dir, 'model.json'), 'utf8')}`,
    );
    expect(await readModelFolder(dir)).toEqual(written);
  });

  test('model.json that is no JSON', async () => {
    await writeModelFolder(dir, tiny());
    await writeFile(join(dir, 'model.json'), '{"format": "layers-');
    await expect(readModelFolder(dir)).rejects.toThrow(`Expected JSON in ${dir}/model.json`);
  });

  test('model.json that is a list', async () => {
    await writeModelFolder(dir, tiny());
    await writeJson([1]);
    await expect(readModelFolder(dir)).rejects.toThrow('Expected a JSON object in');
  });

  test('model.json that is a folder', async () => {
    await mkdir(join(dir, 'model.json'), { recursive: true });
    await expect(readModelFolder(dir)).rejects.toThrow(`Expected to read ${dir}/model.json`);
  });

  const metadata = 'userDefinedMetadata.img2features';
  const manifest = 'weightsManifest.0';
  test.each([
    ['a graph model', 'format', 'graph-model', 'Expected format "layers-model"'],
    ['an unknown format', 'format', 7, 'model.json but found 7.'],
    ['no topology', 'modelTopology', undefined, 'Expected an object modelTopology'],
    ['an empty topology', 'modelTopology', {}, 'Expected a Keras model configuration'],
    ['no manifest', 'weightsManifest', undefined, 'Expected a list weightsManifest'],
    ['no weights', `${manifest}.weights`, undefined, 'Expected a list of weights'],
    ['a path out', `${manifest}.paths.0`, '../../etc/passwd', 'Expected plain file names as paths'],
    ['no shape', `${manifest}.weights.0.shape`, undefined, 'Expected a name, a shape and a dtype'],
    [
      'a negative shape',
      `${manifest}.weights.0.shape`,
      [-1],
      'Expected a name, a shape and a dtype',
    ],
    ['a damaged quantization', `${manifest}.weights.0.quantization`, {}, 'but found {}'],
    [
      'a quantized weight',
      `${manifest}.weights.0.quantization`,
      { dtype: 'float16' },
      'found quantized values',
    ],
    ['a half-size weight', `${manifest}.weights.1.dtype`, 'float16', 'but found "float16"'],
    ['a weight twice', `${manifest}.weights.1.name`, 'conv/kernel', 'found conv/kernel twice'],
    ['a lost shard', `${manifest}.paths.0`, 'group1-shard1of2.bin', 'Expected a weight shard'],
    ['other shapes', `${manifest}.weights.1.shape`, [2], 'Expected 56 bytes of weights'],
    ['no preprocessing', `${metadata}.preprocessing`, undefined, 'Expected caffe, tf, torch, unit'],
    ['a flat input', `${metadata}.inputSize`, [224, 0], 'Expected height and width in pixels'],
    ['no word on training', `${metadata}.trained`, 'yes', 'Expected true or false'],
    ['an unknown origin', `${metadata}.source.kind`, 'dream', 'Expected the origin of the weights'],
    ['a SHA-256 that is none', `${metadata}.weightsSha256`, 'abc', 'Expected 64 hex digits'],
    ['a number for a name', `${metadata}.architecture`, 16, 'Expected a name or null'],
  ])('%s: %s = %j', async (_what, field, value, message) => {
    const error = await readChanged({ [field]: value }).catch((failure) => failure);
    expect(error).toBeInstanceOf(ModelError);
    expect(error.message).toContain(message);
  });

  test.each(['model.json', 'group1-shard1of1.bin'])(
    '%s that is a Git LFS pointer',
    async (name) => {
      await writeModelFolder(dir, tiny());
      await writeFile(
        join(dir, name),
        'version https://git-lfs.github.com/spec/v1\noid sha256:ab\n',
      );
      await expect(readModelFolder(dir)).rejects.toMatchObject({
        message: `Expected a file of the model in ${join(dir, name)} but found a Git LFS pointer.`,
        fix: 'Fetch the file itself: git lfs pull.',
      });
    },
  );

  test('a shard that is too long', async () => {
    await writeModelFolder(dir, tiny());
    await appendFile(join(dir, 'group1-shard1of1.bin'), 'x');
    await expect(readModelFolder(dir)).rejects.toThrow(
      `Expected 52 bytes of weights in ${dir} but found 53.`,
    );
  });

  test('a changed byte: the SHA-256 is computed, whatever model.json says', async () => {
    const folder = await writeModelFolder(dir, tiny());
    const path = join(dir, 'group1-shard1of1.bin');
    const bytes = await readFile(path);
    bytes[17]! ^= 1;
    await writeFile(path, bytes);
    const error = await readModelFolder(dir).catch((failure) => failure);
    expect(error).toBeInstanceOf(ModelError);
    expect(error.message).toContain(
      `Expected weights with SHA-256 ${folder.metadata.weightsSha256} in ${dir}, as its model.json says, but found`,
    );
    expect(error.fix).toContain('restore the files, or convert, fetch or init the model again');
  });
});

describe('weights that are not finite', () => {
  const BAD = new Uint8Array(Float32Array.of(Number.NaN).buffer);

  test('are refused when they are written, and nothing is left', async () => {
    const weights = [
      { spec: KERNEL, chunks: [KERNEL_BYTES.subarray(0, 21), KERNEL_BYTES.subarray(21)] },
      { spec: BIAS, chunks: [BAD.subarray(0, 1), BAD.subarray(1)] },
    ];
    await expect(writeModelFolder(dir, { ...tiny(), weights })).rejects.toThrow(
      'Expected finite weights for the model but found NaN at value 0 of conv/bias.',
    );
    expect(await readdir(join(root, 'models'))).toEqual([]);
  });

  test('are refused when they are read, also where a shard ends within a value', async () => {
    await writeModelFolder(dir, tiny());
    const path = join(dir, 'group1-shard1of1.bin');
    const values = new Float32Array(new Uint8Array(await readFile(path)).buffer);
    values[7] = Number.NEGATIVE_INFINITY;
    const bytes = new Uint8Array(values.buffer);
    await writeFile(path, bytes.subarray(0, 30));
    await writeFile(join(dir, 'rest.bin'), bytes.subarray(30));
    const json = await readJson();
    json.weightsManifest[0].paths.push('rest.bin');
    await writeJson(json);
    await expect(readModelFolder(dir)).rejects.toThrow(
      `Expected finite weights for ${dir} but found -Infinity at value 7 of conv/kernel.`,
    );
  });
});

describe('the SHA-256 of large weights', () => {
  const LARGE: WeightSpec = { name: 'large', shape: [2_200_000], dtype: 'float32' };
  const large = (): ModelFolderContent => ({
    ...tiny(),
    weights: [
      ...(tiny().weights as WeightStream[]),
      { spec: LARGE, chunks: [new Uint8Array(8_800_000)] },
    ],
  });
  const path = () => join(dir, 'group1-shard1of1.bin');
  /** What the cache keeps; written for files that were left alone for two seconds. */
  const notes = async () => {
    const text = await readFile(join(root, 'cache', 'weights.json'), 'utf8').catch(() => '{}');
    return Object.values(JSON.parse(text));
  };

  beforeEach(() => {
    vi.stubEnv('IMG2FEATURES_CACHE', join(root, 'cache'));
    vi.useFakeTimers({ toFake: ['Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
  });

  test('is kept by what the file is, and computed again for every other file', async () => {
    const { metadata } = await writeModelFolder(dir, large());
    expect(await notes()).toEqual([]);
    vi.setSystemTime(Date.now() + 3000);
    await readModelFolder(dir);
    expect(await notes()).toEqual([metadata.weightsSha256]);

    // Size and modification time are those of before; inode and change time tell.
    const { atime, mtime } = await stat(path());
    const bytes = await readFile(path());
    bytes[60]! ^= 1;
    await writeFile(path(), bytes);
    await utimes(path(), atime, mtime);
    await expect(readModelFolder(dir)).rejects.toThrow('as its model.json says, but found');
  });

  test('is read from the cache only where nobody asks for a fresh one', async () => {
    await writeModelFolder(dir, large());
    vi.setSystemTime(Date.now() + 3000);
    await readModelFolder(dir);
    const kept = join(root, 'cache', 'weights.json');
    const text = await readFile(kept, 'utf8');
    await writeFile(kept, text.replace(/: "[0-9a-f]{64}"/, `: "${'0'.repeat(64)}"`));
    await expect(readModelFolder(dir)).rejects.toThrow(`but found ${'0'.repeat(64)}`);
    await readModelFolder(dir, { isFresh: true });
    expect(await readFile(kept, 'utf8')).toBe(text);
  });
});

describe('a model that another tool wrote', () => {
  const WITHOUT_METADATA = {
    userDefinedMetadata: undefined,
    generatedBy: 'keras v2.15.0',
    convertedBy: 'TensorFlow.js Converter v4.22.0',
  };

  test('is accepted with a preprocessing; size and SHA-256 come from the files', async () => {
    const { metadata } = await readChanged(WITHOUT_METADATA, 'tf');
    expect(metadata).toEqual({
      architecture: null,
      preprocessing: 'tf',
      inputSize: [4, 4],
      trained: true,
      source: { kind: 'tfjs', by: 'keras v2.15.0, TensorFlow.js Converter v4.22.0' },
      weightsSha256: SHA256,
    });
  });

  test('asks for a preprocessing', async () => {
    await expect(readChanged(WITHOUT_METADATA)).rejects.toThrow(
      `Expected a preprocessing for ${dir} but found none`,
    );
  });

  test('which scales the pixels itself takes them as they are', async () => {
    const { class_name, config } = TOPOLOGY.model_config;
    const settings = {
      name: 'scale',
      scale: 1 / 255,
      offset: 0,
      batch_input_shape: [null, 4, 4, 3],
    };
    const layers = [{ class_name: 'Rescaling', config: settings }, ...config.layers];
    const model_config = { class_name, config: { ...config, layers } };
    const { metadata } = await readChanged({
      ...WITHOUT_METADATA,
      modelTopology: { model_config },
    });
    expect(metadata.preprocessing).toBe('none');
  });

  test('may have been saved by tfjs itself, whose topology has no model_config', async () => {
    const modelTopology = TOPOLOGY.model_config;
    const { metadata } = await readChanged({ ...WITHOUT_METADATA, modelTopology }, 'tf');
    expect(metadata.inputSize).toEqual([4, 4]);
  });

  test('may have its weights in several groups', async () => {
    const { weights } = await readChanged({ 'weightsManifest.1': { paths: [], weights: [] } });
    expect(weights).toEqual([KERNEL, BIAS]);
  });

  test.each([
    [[null, null, null, 3], '[?, ?, 3]'],
    [[null, 4, 4, 4], '[4, 4, 4]'],
  ])('with the open or four-channel input %j is refused', async (shape, found) => {
    const field = 'modelTopology.model_config.config.layers.0.config.batch_input_shape';
    const reading = readChanged({ [field]: shape, ...WITHOUT_METADATA }, 'tf');
    await expect(reading).rejects.toThrow(`but found ${found}.`);
  });
});

test('a given preprocessing replaces the one in the folder', async () => {
  await writeModelFolder(dir, tiny());
  const { metadata } = await readModelFolder(dir, { preprocessing: 'none' });
  expect(metadata.preprocessing).toBe('none');
});

test('a full VGG16 without its weights is refused by their size', async () => {
  const { topology, weights } = buildArchitecture('vgg16');
  const streams = weights.map((spec) => ({ spec, chunks: [] }));
  await expect(writeModelFolder(dir, { ...tiny(), topology, weights: streams })).rejects.toThrow(
    'Expected 6912 bytes for weight block1_conv1/kernel of shape [3, 3, 3, 64] but found 0.',
  );
});
