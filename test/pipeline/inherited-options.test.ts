import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import { inheritedOptions } from '../../src/pipeline/inherited-options.ts';
import { rejection } from '../engine/caught.ts';
import { writeTinyModel } from '../engine/tiny-model.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { writeRunJson } from './finished-run.ts';

test('a model that is no longer where its run found it asks for --model', async () => {
  const run = await temporaryFolder();
  const model = join(run, 'moved');
  const options = { mode: 'cnn', model, layer: 'conv' };
  const layers = [{ layer: 'conv', pool: 'none', length: 8 }];
  await writeRunJson(run, { options, model: { weightsSha256: 'c0ffee', layers } });
  for (const name of ['_SUCCESS', 'reducer.npz']) await writeFile(join(run, name), '');
  const inherit = (raw = {}) =>
    inheritedOptions({ with: run, ...raw }, AbortSignal.timeout(10_000));
  const error = await rejection(ModelError, inherit());
  expect(error.message).toBe(
    `Expected the model of the run ${run} in ${model} but found no model.json there.`,
  );
  expect(error.fix).toBe(
    'Say where it is now by --model <folder> (SHA-256 of its weights: c0ffee).',
  );
  const { dir } = await writeTinyModel();
  expect(await inherit({ model: dir })).toMatchObject({ mode: 'cnn', layer: 'conv' });
});
