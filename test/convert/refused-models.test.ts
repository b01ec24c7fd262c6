import { join } from 'node:path';
import h5wasm from 'h5wasm/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatModelConvert, runModelConvert } from '../../src/commands/write-model.ts';
import { convertModel } from '../../src/convert/convert-model.ts';
import { fixtureBytes, workFolder } from './keras-fixtures.ts';

let work: Awaited<ReturnType<typeof workFolder>>;
beforeAll(async () => {
  work = await workFolder();
});
afterAll(() => work.remove());

async function convert(name: string, options: Partial<Parameters<typeof convertModel>[0]> = {}) {
  const file = await work.put(name, await fixtureBytes(name));
  return convertModel({ file, dir: join(work.dir, 'model'), overwrite: true, ...options });
}

test.each([
  ['lambda', 'Lambda "doubled": it holds Python code.', 'Rescaling(1/255)'],
  [
    'custom',
    /Mystery2? "mystery": (its class is the model author's own \(module |tfjs has no such layer)/,
    'No layer is before it',
  ],
  [
    'resizing',
    'Resizing "smaller": its interpolation is "bicubic", and tfjs has only bilinear.',
    'No layer is before it',
  ],
  [
    'threshold',
    /ReLU "gate": its threshold is 1(\.0)?, and tfjs has only 0\./,
    'No layer is before it',
  ],
])('a layer that cannot be converted is named: %s', async (name, message, fix) => {
  for (const suffix of ['keras2-model.h5', 'keras3.keras']) {
    const error = await convert(`refused-${name}.${suffix}`, { preprocessing: 'none' }).catch(
      (caught) => caught,
    );
    expect(error.message).toMatch(/^Expected a layer that can be converted but found /);
    expect(error.message).toMatch(message);
    expect(error.fix).toContain(fix);
  }
});

test('a model of its own needs to say its preprocessing', async () => {
  const error = await convert('unit.keras3.keras').catch((caught) => caught);
  expect(error.message).toContain('but found a model of its own.');
  expect(error.fix).toContain('--preprocessing caffe, tf, torch, unit, none, or numbers such as');
});

test.each([
  ['a Rescaling behind augmentation', 'sequential.keras3.keras', 'rescaling'],
  ['arithmetic behind augmentation', 'transfer.keras2-model.h5', 'tf.math.truediv'],
  ['a Normalization', 'normalised.keras3.keras', 'norm'],
])('a model that begins with %s takes the pixels as they are', async (_what, name, layer) => {
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  expect((await convert(name, { onNote })).metadata.preprocessing).toBe('none');
  const asked = await convert(name, { onNote, preprocessing: 'scale=1/255,mean=0.5:0.5:0.5' });
  expect(asked.metadata.preprocessing).toBe('scale=1/255,mean=0.5');
  expect(notes).toEqual([
    `the model begins with ${layer}, which scales the pixels itself: preprocessing none`,
    `the model begins with ${layer}, which scales the pixels itself: preprocessing scale=1/255,mean=0.5 is done before it, where none is usual`,
  ]);
});

test('options that contradict the file are option errors', async () => {
  const options = { preprocessing: 'none' } as const;
  await expect(convert('twins.keras3.keras', { ...options, arch: 'vgg16' })).rejects.toThrow(
    /Expected a vgg16 in .*, as --arch says, but found a model of its own\./,
  );
  await expect(convert('twins.keras3.keras', { ...options, arch: 'alexnet' })).rejects.toThrow(
    'Expected a network that `img2features model convert --help` names for arch but found "alexnet".',
  );
  await expect(convert('twins.keras3.keras', { ...options, inputSize: [9, 9] })).rejects.toThrow(
    'Expected an input size of 8×8, which the model fixes, but found 9×9.',
  );
  await expect(convert('vgg16.keras2-weights.h5', { inputSize: [64, 64] })).rejects.toThrow(
    'Expected an input size of 32×32, which these weights fix, but found 64×64.',
  );
  await expect(convert('twins.keras3.keras', { preprocessing: 'other' as 'none' })).rejects.toThrow(
    'for --preprocessing but received "other".',
  );
});

test('a model that is there is not replaced without being told so', async () => {
  await convert('twins.keras3.keras', { preprocessing: 'none' });
  await expect(
    convert('twins.keras3.keras', { preprocessing: 'none', overwrite: false }),
  ).rejects.toThrow('Expected a new folder for the model but found a model in ');
});

test('inner layers become layers of the model, each under a name of its own', async () => {
  const folder = await convert('twins.keras3.keras', { preprocessing: 'none' });
  expect(folder.weights.map((weight) => weight.name)).toEqual([
    'conv/kernel',
    'conv/bias',
    'norm/gamma',
    'norm/beta',
    'norm/moving_mean',
    'norm/moving_variance',
    'right_conv/kernel',
    'right_conv/bias',
    'right_norm/gamma',
    'right_norm/beta',
    'right_norm/moving_mean',
    'right_norm/moving_variance',
    'conv_fc/kernel',
    'conv_fc/bias',
    expect.stringMatching(/^dense(_\d+)?\/kernel$/),
    expect.stringMatching(/^dense(_\d+)?\/bias$/),
  ]);
});

test('the command says what it recognised and wrote', async () => {
  const file = await work.put('net.weights.h5', await fixtureBytes('vgg16.keras3.weights.h5'));
  const progress: number[] = [];
  const result = await runModelConvert({
    file,
    dir: join(work.dir, 'net'),
    onProgress: (done, total) => progress.push(done / total),
  });
  expect(result.notes).toEqual(["recognised a vgg16 by its layers' names"]);
  expect(progress.at(-1)).toBe(1);
  const text = formatModelConvert(result);
  expect(text).toContain("Note: recognised a vgg16 by its layers' names\n");
  expect(text).toContain(`Wrote: ${join(work.dir, 'net')} from net.weights.h5 (.weights.h5)\n`);
  expect(text).toContain('vgg16, 14,803 weights, 59.2 kB, input 32×32, preprocessing caffe, in ');
});

test('half precision is said to become float32', async () => {
  const notes: string[] = [];
  await convert('half.keras3.keras', { preprocessing: 'none', onNote: (note) => notes.push(note) });
  expect(notes).toEqual([
    "1 layers (conv2d, …) used half or double precision in Keras: here they calculate in float32, about 1e-3 of the largest value from Keras' own float16 and 1e-2 from bfloat16 (docs/parity.md)",
  ]);
});

test('a model of Keras 1 is read as one of TensorFlow, and says so; one of Theano is refused', async () => {
  const notes: string[] = [];
  const name = 'keras1-sequential.model.h5';
  await convert(name, { preprocessing: 'unit', onNote: (note) => notes.push(note) });
  expect(notes).toEqual([
    'Keras 1 does not write which backend trained a model: the kernels are read as those of TensorFlow; those of Theano would be turned by 180 degrees',
  ]);
  const file = await work.put('theano.h5', await fixtureBytes(name));
  await h5wasm.ready;
  const h5 = new h5wasm.File(file, 'a');
  h5.create_attribute('backend', 'theano');
  h5.close();
  const dir = join(work.dir, 'theano');
  await expect(convertModel({ file, dir, preprocessing: 'unit' })).rejects.toThrow(
    'but found those of Keras on Theano, whose kernels are turned by 180 degrees.',
  );
});
