import { afterEach, expect, test, vi } from 'vitest';
import { OutOfMemory } from '../../src/engine/out-of-memory.ts';
import { NO_TENSORFLOW, skipIf } from '../skip-if.ts';
import { rejection } from './caught.ts';
import { fullGpu } from './full-gpu.ts';
import { found, open } from './open-engines.ts';
import { temporaryDir, writeTinyModel } from './tiny-model.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

/** From here on engine processes have memory for so many images of 2×2 pixels at once. */
function limitMemory(most: number): void {
  vi.stubEnv('NODE_OPTIONS', `--require ${fullGpu(temporaryDir(), most)}`);
}

const pixels = (n: number) => Uint8Array.from({ length: n * 12 }, (_, i) => (7 * i) % 251);

for (const engine of ['graph', 'eager'] as const) {
  test(
    `${engine} on TensorFlow's library: a batch that does not fit runs in parts, with a warning`,
    skipIf(found.cpu === undefined, NO_TENSORFLOW),
    async () => {
      const folder = await writeTinyModel();
      const layers = 'conv,sum';
      const whole = await open(folder, { device: 'cpu', engine, layers });
      const expected = await whole.run(pixels(7), 7);
      limitMemory(2);
      const lines: string[] = [];
      const onLog = (line: string) => lines.push(line);
      const small = await open(folder, { device: 'cpu', engine, layers, onLog });
      expect(small.halvedTo()).toBeUndefined();
      const features = await small.run(pixels(7), 7);
      expect(features).toEqual(expected);
      expect(small.halvedTo()).toBe(2);
      const tensors = small.numTensors();
      await small.run(pixels(7), 7);
      expect(small.numTensors()).toBe(tensors);
      expect(lines).toEqual([
        'Memory ran out in a batch of 7 images: batches run in parts of at most 2 from here on. ' +
          'Rows may differ in the last bits from a run without this; --batch 2 avoids it.',
      ]);
    },
  );
}

test(
  'a trial fails where a batch would be halved, and changes nothing',
  skipIf(found.cpu === undefined, NO_TENSORFLOW),
  async () => {
    limitMemory(4);
    const engine = await open(await writeTinyModel(), { device: 'cpu', engine: 'graph' });
    expect(await engine.trial(4)).toBeGreaterThan(0);
    const error = await rejection(OutOfMemory, engine.trial(8));
    expect(error.message).toMatch(/^Expected the network to run but found: .*OOM when allocating/);
    expect(error.fix).toBe('Use a smaller --batch.');
    expect(engine.halvedTo()).toBeUndefined();
    expect(engine.busyMs()).toBe(0);
  },
);

test(
  'no memory for one image ends the run, by name',
  skipIf(found.cpu === undefined, NO_TENSORFLOW),
  async () => {
    limitMemory(0);
    const engine = await open(await writeTinyModel(), { device: 'cpu', engine: 'graph' });
    const error = await rejection(OutOfMemory, engine.run(pixels(3), 3));
    expect(error.message).toMatch(/shape\[1,2,2,2\]/);
  },
);
