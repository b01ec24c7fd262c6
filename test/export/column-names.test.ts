import { expect, test } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { featureColumns, selectColumns } from '../../src/export/column-names.ts';

const output = (layer: string, pool: 'none' | 'avg' | 'max' = 'none') => ({
  layer,
  pool,
  length: 8,
});
const names = (...args: Parameters<typeof featureColumns>) =>
  featureColumns(...args).map((column) => column.name);

test('names the columns of one output after the mode', () => {
  expect(names('pixels', [output('pixels')], 10)).toEqual([
    'origin',
    'target',
    'vectors',
    'vectors_redux',
  ]);
  expect(names('vgg16', [output('fc2')], 10)).toEqual([
    'origin',
    'target',
    'cnn_vectors',
    'cnn_vectors_redux',
  ]);
  expect(names('vgg16', [output('block5_pool', 'avg')], 0)).toEqual([
    'origin',
    'target',
    'cnn_vectors',
  ]);
});

test('adds the layer when there are several, and the pool only where a layer occurs twice', () => {
  expect(names('vgg16', [output('block5_pool', 'avg'), output('fc2')], 2)).toEqual([
    'origin',
    'target',
    'cnn_vectors_block5_pool',
    'cnn_vectors_block5_pool_redux',
    'cnn_vectors_fc2',
    'cnn_vectors_fc2_redux',
  ]);
  expect(names('vgg16', [output('b'), output('b', 'avg'), output('b', 'max')], 0).slice(2)).toEqual(
    ['cnn_vectors_b', 'cnn_vectors_b_avg', 'cnn_vectors_b_max'],
  );
});

test('refuses two outputs of the same name', () => {
  expect(() => featureColumns('vgg16', [output('fc2'), output('fc2')], 0)).toThrow(
    'Expected each layer and pooling once for --layer but found two outputs named "cnn_vectors_fc2".',
  );
  expect(() => featureColumns('vgg16', [output('a'), output('a_redux')], 3)).toThrow(OptionError);
});

test('selects columns in the order asked for', () => {
  const columns = featureColumns('pixels', [output('pixels')], 2);
  expect(selectColumns(columns, ['vectors_redux', 'origin']).map(({ name }) => name)).toEqual([
    'vectors_redux',
    'origin',
  ]);
  expect(selectColumns(columns, undefined)).toEqual(columns);
});

test.each([
  [['vektors'], 'found "vektors"; this run has origin, target, vectors, vectors_redux.'],
  [['origin', 'origin'], 'found "origin" twice'],
  [[], 'found none'],
])('refuses --columns %j', (chosen, message) => {
  const columns = featureColumns('pixels', [output('pixels')], 2);
  expect(() => selectColumns(columns, chosen)).toThrow(message);
  expect(() => selectColumns(columns, chosen)).toThrow(OptionError);
});

test('split and kept columns stand between target and the features', () => {
  expect(
    names('pixels', [output('pixels')], 2, { hasSplit: true, kept: ['brand', 'year'] }),
  ).toEqual(['origin', 'target', 'split', 'brand', 'year', 'vectors', 'vectors_redux']);
  expect(names('pixels', [output('pixels')], 0, { hasSplit: false, kept: ['brand'] })).toEqual([
    'origin',
    'target',
    'brand',
    'vectors',
  ]);
});

test.each([
  ['pixels', 'vectors'],
  ['pixels', 'vectors_redux'],
  ['pixels', 'pc1'],
  ['pixels', 'f2'],
  ['pixels', 'split'],
  ['pixels', 'origin'],
])('with --mode %s a kept column may not be named %s', (mode, name) => {
  const kept = { hasSplit: false, kept: ['brand', name] };
  expect(() => featureColumns(mode, [output('pixels')], 2, kept)).toThrow(`found "${name}"`);
});

test('a kept column stands once', () => {
  const kept = { hasSplit: false, kept: ['brand', 'brand'] };
  expect(() => featureColumns('pixels', [output('pixels')], 2, kept)).toThrow('found "brand"');
});
