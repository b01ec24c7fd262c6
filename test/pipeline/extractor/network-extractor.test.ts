import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import type { RunEvent } from '../../../src/events.ts';
import { resolveOptions } from '../../../src/options/resolve-options.ts';
import { planNetworkExtractor } from '../../../src/pipeline/extractor/network-extractor.ts';
import { fixtureBytes, workFolder } from '../../convert/keras-fixtures.ts';

let work: Awaited<ReturnType<typeof workFolder>>;
beforeAll(async () => {
  work = await workFolder();
});
afterAll(() => work.remove());

/** Plans with a converted fixture; no engine starts. */
async function plan(fixture: string, options: object, inputSize?: readonly [number, number]) {
  const file = await work.put(fixture, await fixtureBytes(fixture));
  const model = join(work.dir, 'model');
  const preprocessing = 'none';
  await convertModel({ file, dir: model, overwrite: true, preprocessing, inputSize });
  const events: RunEvent[] = [];
  const raw = { mode: 'cnn', input: '.', out: 'out', model, device: 'wasm', ...options };
  const found = await planNetworkExtractor(resolveOptions(raw), {
    onEvent: (event) => events.push(event),
  });
  return { events, metadata: found.model!.metadata };
}

test('a network that scales the pixels itself is noted where the run scales them too', async () => {
  const asked = await plan('sequential.keras3.keras', { preprocessing: 'scale=1/255' });
  expect(asked.metadata.preprocessing).toBe('unit');
  expect(asked.events).toEqual([
    {
      event: 'note',
      message:
        'The model begins with rescaling, which scales the pixels itself: preprocessing unit is done before it, where none is usual.',
    },
  ]);
  expect((await plan('sequential.keras3.keras', {})).events).toEqual([]);
});

test('a network of gray images is not given channels in the order of the notebook', async () => {
  await expect(plan('gray.keras3.keras', { seedCompat: true }, [12, 12])).rejects.toThrow(
    'Expected --seed-compat only with a network of RGB images',
  );
});
