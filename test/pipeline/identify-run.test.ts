import { expect, test } from 'vitest';
import { resolveOptions } from '../../src/options/resolve-options.ts';
import { runIdentity } from '../../src/pipeline/identify-run.ts';
import { writeTinyModel } from '../engine/tiny-model.ts';

// Tables carry this JSON, and a run is only resumed or updated under the same: no byte may change.

test('the identity of a run of pixels is the same text in each version', () => {
  const given = { input: 'photos', mode: 'pixels', out: 'features', exif: 'apply', tiff: true };
  const options = resolveOptions({ ...given, columns: 'origin,vectors', workers: 3 });
  const parts = { model: undefined, outputs: [], batchSize: 0, engine: undefined };
  expect(JSON.stringify(runIdentity(options, parts))).toBe(
    '{"mode":"pixels","k":10,"standardize":true,"seedCompat":false,"resize":"bicubic","exif":"apply",' +
      '"maxPixels":50,"tiff":true,"origin":"path","format":["parquet"],"columns":"origin,vectors"}',
  );
});

test('the identity of a run of a network is the same text in each version', async () => {
  const model = await writeTinyModel();
  const options = resolveOptions({
    ...{ input: 'photos', mode: 'cnn', model: model.dir, layer: 'conv:avg,sum', out: 'features' },
    ...{ k: 2, pool: 'max', preprocessing: 'tf', precision: 'bf16', batch: 7, seedCompat: true },
  });
  const outputs = [
    { layer: 'conv', pool: 'avg', length: 2 },
    { layer: 'sum', pool: 'none', length: 2 },
  ] as const;
  const engine = { device: 'cpu', engine: 'graph', conv: 'winograd' } as const;
  const identity = runIdentity(options, { model, outputs, batchSize: 16, engine });
  expect(JSON.stringify(identity)).toBe(
    '{"mode":"cnn","k":2,"standardize":false,"seedCompat":true,"resize":"bicubic","exif":"ignore",' +
      '"maxPixels":50,"tiff":false,"origin":"url","format":["parquet"],"layers":["conv:avg","sum:none"],' +
      '"weights":"019b6e941bbd9d5282c9daef739004fbf6bd31a8069c63b299530acdb8f674cb",' +
      '"network":"a565c0ec029cb257837ba27e00a8000e3a3e93f78bce7f06a80455e3b77774ea",' +
      '"preprocessing":"none","device":"cpu","engine":"graph","conv":"winograd","precision":"bf16","batch":16}',
  );
});
