import { expect, test, vi } from 'vitest';
import { withGoldenModel } from '../../src/doctor/golden/golden-files.ts';
import { measureGains } from '../../src/doctor/precision-gains.ts';
import type { EngineInfo } from '../../src/engine/engine.ts';
import type { RunEvent } from '../../src/events.ts';
import { noteGains } from '../../src/pipeline/extractor/network-extractor.ts';
import { addTuning, describeGains, gainsKey } from '../../src/pipeline/extractor/tuning.ts';
import { chooseDevice } from '../../src/runtime/choose-device.ts';
import { devices, found } from '../engine/open-engines.ts';
import { temporaryDir, writeTinyModel } from '../engine/tiny-model.ts';
import { NO_TENSORFLOW, skipIf } from '../skip-if.ts';

const GAINS = [
  { precision: 'tf32', ratio: 2.14, cosine: 0.99999987 },
  { precision: 'fp16', ratio: 4.06, cosine: 0.9998765 },
] as const;

test(
  'precisions are measured against fp32; one that does not run here is left out',
  skipIf(!devices.includes('cpu'), NO_TENSORFLOW),
  async () => {
    const { signal } = new AbortController();
    const gains = await withGoldenModel((folder) =>
      measureGains(folder, chooseDevice('cpu', found), ['tf32', 'fp16'], signal, 10),
    );
    // TF32 is CUDA's.
    expect(gains.map(({ precision }) => precision)).toEqual(['fp16']);
    const [{ ratio, cosine }] = gains as [(typeof gains)[0]];
    expect(ratio).toBeGreaterThan(0);
    expect(cosine).toBeGreaterThan(0.99);
    expect(cosine).toBeLessThan(1);
  },
);

test('a run in fp32 on a GPU says what the others would give, or which command measures it', async () => {
  vi.stubEnv('IMG2FEATURES_CACHE', temporaryDir());
  const folder = await writeTinyModel();
  const info = {
    device: 'cuda',
    deviceName: 'NVIDIA L4, driver 550.54',
    library: 'test',
    engine: 'graph',
  } as EngineInfo;
  const messages: string[] = [];
  const onEvent = (event: RunEvent) => void ('message' in event && messages.push(event.message));
  await noteGains(info, folder, { onEvent });
  expect(messages[0]).toContain(`img2features doctor --device cuda --model ${folder.dir}`);
  await addTuning(gainsKey(info, folder), { gains: GAINS });
  await noteGains(info, folder, { onEvent });
  const today = new Date().toISOString().slice(0, 10);
  expect(messages[1]).toBe(
    `In place of fp32 on this GPU, as measured on ${today}: --precision tf32 2.1 times the images/s, cosine 0.999999; --precision fp16 4.1 times the images/s, cosine 0.999876.`,
  );
  await noteGains({ ...info, deviceName: 'NVIDIA T4, driver 550.54' }, folder, { onEvent });
  expect(messages[2]).toBe(messages[0]);
});

test('a GPU that runs no other precision is told so', () => {
  expect(describeGains([])).toBe('In place of fp32 on this GPU: neither tf32 nor fp16 runs.');
});
