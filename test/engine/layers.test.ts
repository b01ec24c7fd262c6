import { expect, test } from 'vitest';
import { parseLayers } from '../../src/engine/parse-layers.ts';
import { resolveLayers } from '../../src/engine/resolve-layers.ts';
import { OptionError } from '../../src/errors.ts';
import { buildArchitecture } from '../../src/model/architectures/build-architecture.ts';
import type { ModelFolder } from '../../src/model/model-folder.ts';
import { caught } from './caught.ts';

const { topology } = buildArchitecture('vgg16', {});
const folder = { dir: 'models/vgg16', topology, metadata: {} } as ModelFolder;

test('without --layer the default layer is asked for, with --pool', () => {
  expect(parseLayers(undefined, 'avg')).toEqual([{ layer: undefined, pool: 'avg' }]);
});

test('layers are divided by commas and may name their own pooling', () => {
  expect(parseLayers('fc1, fc2,block5_pool:avg', 'none')).toEqual([
    { layer: 'fc1', pool: 'none' },
    { layer: 'fc2', pool: 'none' },
    { layer: 'block5_pool', pool: 'avg' },
  ]);
  expect(parseLayers('block4_pool,fc1:none', 'max')).toEqual([
    { layer: 'block4_pool', pool: 'max' },
    { layer: 'fc1', pool: 'none' },
  ]);
});

test.each(['', 'fc1,', ',fc1', ':avg', 'fc1:avg:max'])('%j names no layers', (text) => {
  const error = caught(OptionError, () => parseLayers(text, 'none'));
  expect(error.message).toBe(
    `Expected layer names divided by commas for --layer but found ${JSON.stringify(text)}.`,
  );
  expect(error.fix).toBe('Write for example --layer fc1,fc2,block5_pool:avg.');
});

test('a pooling that does not exist is named with those that do', () => {
  const error = caught(OptionError, () => parseLayers('fc1:mean', 'none'));
  expect(error.message).toBe(
    'Expected none, avg or max after the colon for --layer but found "fc1:mean".',
  );
  expect(error.fix).toBe('Write fc1, fc1:avg or fc1:max.');
});

test('one layer may be asked for with two poolings but not twice with the same', () => {
  expect(parseLayers('a:avg,a:max', 'none')).toHaveLength(2);
  expect(() => parseLayers('a:avg,a', 'avg')).toThrow(
    'Expected each layer once for --layer but found "a:avg" twice.',
  );
});

test('the default layer is the last one of the model', () => {
  expect(resolveLayers(folder, [{ layer: undefined, pool: 'none' }])).toEqual([
    { layer: 'predictions', pool: 'none' },
  ]);
});

test('a model that was inside a converted one is the layer that gives its output', () => {
  const metadata = { ...folder.metadata, nested: { base: 'block5_pool' } };
  expect(resolveLayers({ ...folder, metadata }, [{ layer: 'base', pool: 'avg' }])).toEqual([
    { layer: 'block5_pool', pool: 'avg' },
  ]);
});

test('a layer that the model does not have is answered with similar ones', () => {
  const error = caught(OptionError, () =>
    resolveLayers(folder, [{ layer: 'block5_poo', pool: 'none' }]),
  );
  expect(error.message).toBe('Expected a layer of the model for --layer but found "block5_poo".');
  expect(error.fix).toMatch(/^Did you mean block5_pool/);
  expect(error.fix).toMatch(/img2features model info models\/vgg16 lists all 23\.$/);
});

test('a layer like no other is answered with where to look', () => {
  const error = caught(OptionError, () =>
    resolveLayers(folder, [{ layer: 'xyzzy', pool: 'none' }]),
  );
  expect(error.fix).toBe('img2features model info models/vgg16 lists all 23.');
});
