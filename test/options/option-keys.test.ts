import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import {
  flagName,
  INHERITED_KEYS,
  keyOf,
  keysForAllModes,
  OPTION_KEYS,
  WORKER_KEYS,
} from '../../src/options/option-keys.ts';

test('each option is found by its flag again', () => {
  expect(OPTION_KEYS.map(flagName).map(keyOf)).toEqual(OPTION_KEYS);
  expect(['s3Endpoint', 'k', 'maxPixels'].map(flagName)).toEqual([
    's3-endpoint',
    'k',
    'max-pixels',
  ]);
});

test('what defines features is what a transform takes over, and what runs are compared by', () => {
  expect(INHERITED_KEYS).toEqual(expect.arrayContaining(['mode', ...keysForAllModes()]));
  expect(keysForAllModes('vectors', 'reducer')).toEqual([
    ...['k', 'standardize', 'normalize', 'seedCompat', 'resize', 'exif', 'vectorType'],
  ]);
  expect(keysForAllModes('accepted')).toEqual(['maxPixels', 'tiff']);
  expect(INHERITED_KEYS).toEqual(expect.arrayContaining(['layer', 'model', 'precision']));
  expect(INHERITED_KEYS).not.toContain('workers');
});

test('on Spark every option of the worker is passed on, but for GPUs, which Spark hands out', async () => {
  const path = '../../scripts/spark/img2features_spark/worker_command.py';
  const source = await readFile(new URL(path, import.meta.url), 'utf8');
  const [, listed = ''] = /^PASSED_ON = \(([^)]*)\)/m.exec(source) ?? [];
  const names = [...listed.matchAll(/"(\w+)"/g)].map(([, name = '']) => name.replaceAll('_', '-'));
  expect(names.map(keyOf).sort()).toEqual(WORKER_KEYS.filter((key) => key !== 'gpus').sort());
});
