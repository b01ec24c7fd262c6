import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RunError } from '../../src/errors.ts';
import type { ModelFolder } from '../../src/model/model-folder.ts';
import { resolveOptions } from '../../src/options/resolve-options.ts';
import { networkHash } from '../../src/pipeline/identify-run.ts';
import { openSavedReducers } from '../../src/pipeline/reducer-fitting.ts';
import { FolderStore } from '../../src/storage/folder-store.ts';
import { rejection } from '../engine/caught.ts';
import { functional, TINY_LAYERS, writeTinyModel } from '../engine/tiny-model.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { writeRunJson } from './finished-run.ts';

/** The tiny model with other options of one layer; its weights stay the same. */
function changed(layer: string, config: Record<string, unknown>): Promise<ModelFolder> {
  const layers = TINY_LAYERS.map((row) =>
    row.name === layer ? { ...row, config: { ...row.config, ...config } } : row,
  );
  return writeTinyModel(functional(layers, 'sum'));
}

const conv = [{ layer: 'conv', pool: 'none', length: 8 }] as const;
const sum = [{ layer: 'sum', pool: 'none', length: 2 }] as const;

test('a network is told by the layers that its outputs need, not by its weights alone', async () => {
  const model = await writeTinyModel();
  const linear = await changed('sum', { activation: 'linear' });
  expect(linear.metadata.weightsSha256).toBe(model.metadata.weightsSha256);
  expect(networkHash(linear, sum)).not.toBe(networkHash(model, sum));
  expect(networkHash(linear, conv)).toBe(networkHash(model, conv));
  expect(networkHash(await writeTinyModel(), sum)).toBe(networkHash(model, sum));
  const initializer = { class_name: 'Ones', config: {} };
  const other = await changed('sum', { kernel_initializer: initializer });
  expect(networkHash(other, sum)).toBe(networkHash(model, sum));
});

test('a reducer is refused for the same weights in other layers', async () => {
  const model = await writeTinyModel();
  const options = resolveOptions({
    ...{ mode: 'cnn', model: model.dir, layer: 'sum', input: '.', out: 'out', k: 2 },
  });
  const { weightsSha256, preprocessing } = model.metadata;
  const of = { weightsSha256, preprocessing, layers: sum, networkSha256: networkHash(model, sum) };
  const run = await temporaryFolder();
  await writeRunJson(run, { options, model: of });
  for (const name of ['_SUCCESS', 'reducer.npz']) await writeFile(join(run, name), '');
  const linear = await changed('sum', { activation: 'linear' });
  const opening = openSavedReducers(FolderStore.forReading(run), options, {
    model: linear,
    outputs: sum,
  });
  const error = await rejection(RunError, opening);
  expect(error.message).toMatch(/but found others: SHA-256 of the layers was [0-9a-f]{64}, is /);
});
