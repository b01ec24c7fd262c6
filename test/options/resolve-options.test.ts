import { expect, test } from 'vitest';
import { resolveOptions } from '../../src/options/resolve-options.ts';

const base = { input: 'dataset', mode: 'pixels', out: 'out' };

test('defaults follow the mode', () => {
  const pixels = resolveOptions(base);
  const vgg16 = resolveOptions({ ...base, mode: 'vgg16' });
  expect([pixels.k, pixels.standardize, pixels.format]).toEqual([10, true, ['parquet']]);
  expect([vgg16.standardize, vgg16.batch, vgg16.device]).toEqual([false, 'auto', 'auto']);
});

test('text from the command line, numbers from a file and values from a caller mean the same', () => {
  expect(resolveOptions({ ...base, format: 'all' }).format).toEqual([
    ...['parquet', 'json', 'csv', 'npy', 'feather'],
  ]);
  const fromText = resolveOptions({ ...base, k: '3', format: 'parquet,csv', overwrite: 'true' });
  const fromValues = resolveOptions({ ...base, k: 3, format: ['parquet', 'csv'], overwrite: true });
  expect(fromText).toEqual(fromValues);
});

test('a value of any length is shown in a short line, its control characters as text', () => {
  const mode = `\u0000${'long'.repeat(1000)}`;
  const failure = (() => {
    try {
      return String(resolveOptions({ ...base, mode }));
    } catch (error) {
      return (error as Error).message;
    }
  })();
  expect(failure).toMatch(/received "\\u0000longlong/);
  expect(failure.length).toBeLessThan(200);
});

test('an empty list of patterns to exclude is none, an empty text is an error', () => {
  const given = { mode: 'pixels', input: 'x', out: 'y' };
  expect(resolveOptions({ ...given, exclude: [] }).exclude).toEqual([]);
  expect(() => resolveOptions({ ...given, exclude: '' })).toThrow('Expected patterns of names');
});

test('GPUs come as text, as numbers, or all', () => {
  const gpus = ['0, 2', '1', 2, [0, 1], 'all', undefined].map(
    (value) => resolveOptions({ ...base, mode: 'vgg16', gpus: value }).gpus,
  );
  expect(gpus).toEqual([[0, 2], [1], [2], [0, 1], 'all', undefined]);
});

test.each([
  [{ mode: 'vgg' }, 'Expected pixels, vgg16 or cnn for --mode but received "vgg".'],
  [{ k: '-1' }, 'Expected an integer from 0 to 4096 for --k but received "-1".'],
  [{ k: '3.5' }, 'Expected an integer from 0 to 4096 for --k but received "3.5".'],
  [{ k: ['3', '4'] }, 'Expected one value for --k but it was given 2 times.'],
  [
    { format: 'parquet,xml' },
    'Expected all, or one or more of parquet, json, csv, npy or feather, separated by commas for --format but received "parquet,xml".',
  ],
  [{ resize: 'cubic' }, 'Expected bicubic, bilinear or nearest for --resize but received "cubic".'],
  [
    { maxBad: '120%' },
    'Expected a count such as 100 or a share such as 5% for --max-bad but received "120%".',
  ],
  [{ layer: 'fc1' }, 'Expected --layer only with --mode vgg16 or cnn but the mode is pixels.'],
  [
    { mode: 'vgg16', gpus: '0,0' },
    'Expected all, or numbers of GPUs such as 0,1 for --gpus but received "0,0".',
  ],
  [
    { mode: 'vgg16', gpus: '-1' },
    'Expected all, or numbers of GPUs such as 0,1 for --gpus but received "-1".',
  ],
  [
    { mode: 'vgg16', gpus: '0,' },
    'Expected all, or numbers of GPUs such as 0,1 for --gpus but received "0,".',
  ],
  [
    { mode: 'vgg16', gpus: 'all', device: 'cpu' },
    'Expected --gpus only with --device cuda or auto but the device is cpu.',
  ],
  [{ gpus: 'all' }, 'Expected --gpus only with --mode vgg16 or cnn but the mode is pixels.'],
  [{ workers: 0 }, 'Expected an integer from 1 to 256 for --workers but received 0.'],
  [{ colour: 'red' }, 'Expected a known option but received colour.'],
  [{ out: undefined }, 'Expected a folder for the table for --out but received nothing.'],
])('%j is refused by name', (wrong, message) => {
  expect(() => resolveOptions({ ...base, ...wrong })).toThrow(message);
});

test('cnn mode needs a model', () => {
  expect(() => resolveOptions({ ...base, mode: 'cnn' })).toThrow(
    'Expected --model with --mode cnn',
  );
});
