import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Precision } from '../../src/engine/engine.ts';
import { OutOfMemory } from '../../src/engine/out-of-memory.ts';
import { EngineError } from '../../src/errors.ts';
import { NO_TENSORFLOW, skipIf } from '../skip-if.ts';
import { rejection } from './caught.ts';
import { fullGpu } from './full-gpu.ts';
import { found, open } from './open-engines.ts';
import { temporaryDir, writeTinyModel } from './tiny-model.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

/** A GPU as the engine's process sees it, on the CPU's library. */
const cuda = {
  ...found,
  driver: { present: true, version: '580.0', devices: ['GPU'], detail: 'GPU (driver 580.0)' },
  gpu: found.cpu,
};

/** From here on engine processes have memory for so many images of 2×2 pixels at once. */
function limitMemory(most: number, message?: string, isCuda?: boolean): void {
  vi.stubEnv('NODE_OPTIONS', `--require ${fullGpu(temporaryDir(), most, message, isCuda)}`);
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

describe('on a GPU', skipIf(found.cpu === undefined, NO_TENSORFLOW), () => {
  const open1 = async (precision: Precision = 'fp32') =>
    open(await writeTinyModel(), { device: 'cuda', found: cuda, precision });

  test('the graph runs where its first image runs', async () => {
    limitMemory(9, undefined, true);
    expect((await open1()).info).toMatchObject({ device: 'cuda', engine: 'graph' });
  });

  test('no memory for the first image is an error by name, not the eager engine', async () => {
    limitMemory(0, undefined, true);
    const error = await rejection(OutOfMemory, open1());
    expect(error.message).toMatch(/^Expected cuda to compute in fp32 but found: .*OOM when/);
  });

  test('a kernel that fails is an error, not the eager engine', async () => {
    limitMemory(0, 'INTERNAL: Failed to load PTX', true);
    const error = await rejection(EngineError, open1());
    expect(error).not.toBeInstanceOf(OutOfMemory);
    expect(error.message).toBe(
      'Expected cuda to compute in fp32 but found: INTERNAL: Failed to load PTX',
    );
    expect(error.fix).toBe('Run `img2features doctor`; --device cpu runs without the GPU.');
  });

  test('TF32 is off unless it is asked for', async () => {
    const path = join(temporaryDir(), 'environment');
    limitMemory(9, undefined, true);
    const script = `require('fs').appendFileSync('${path}', process.env.NVIDIA_TF32_OVERRIDE + ' ')`;
    writeFileSync(`${path}.cjs`, script);
    vi.stubEnv('NODE_OPTIONS', `${process.env.NODE_OPTIONS} --require ${path}.cjs`);
    vi.stubEnv('NVIDIA_TF32_OVERRIDE', '0');
    for (const precision of ['fp32', 'fp16', 'bf16', 'tf32'] as const) await open1(precision);
    // Preloaded by the process and by its thread that reads.
    expect(
      readFileSync(path, 'utf8')
        .trim()
        .split(' ')
        .filter((_, i) => i % 2 === 0),
    ).toEqual(['0', '0', '0', 'undefined']);
  });
});
