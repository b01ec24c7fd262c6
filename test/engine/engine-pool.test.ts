import { expect, onTestFinished, test, vi } from 'vitest';
import type { EngineInfo } from '../../src/engine/engine.ts';
import { EnginePool, openEnginePool, type PooledEngine } from '../../src/engine/engine-pool.ts';
import { openEngine } from '../../src/engine/open-engine.ts';
import { OutOfMemory } from '../../src/engine/out-of-memory.ts';
import { EngineError, Interrupted } from '../../src/errors.ts';
import { mapOrdered } from '../../src/map-ordered.ts';
import { initModel } from '../../src/model/init-model.ts';
import { chooseDevice } from '../../src/runtime/choose-device.ts';
import { rejection } from './caught.ts';
import { devices, found, isAlive, until } from './open-engines.ts';
import { temporaryDir, writeTinyModel } from './tiny-model.ts';

// No GPU here: engines on the CPU and on WebAssembly, and stand-ins, take the place of those on GPUs.

const INFO = {
  device: 'cuda',
  library: 'test',
  engine: 'graph',
  conv: 'direct',
  outputs: [{ layer: 'double', pool: 'none', length: 1 }],
  startupMs: 5,
} as unknown as EngineInfo;

interface Fake extends PooledEngine {
  readonly batches: Uint8Array[];
  readonly trials: number[];
}

/** Doubles the one byte of each image, in `ms` a batch, one batch after the other. */
function fake(ms: number, changes: Partial<PooledEngine> = {}): Fake {
  const batches: Uint8Array[] = [];
  const trials: number[] = [];
  let last: Promise<unknown> = Promise.resolve();
  let busy = 0;
  return {
    batches,
    trials,
    info: INFO,
    run: (pixels) => {
      batches.push(pixels);
      busy += ms;
      const answer = last.then(async () => {
        await new Promise((resolve) => setTimeout(resolve, ms));
        return [Float32Array.from(pixels, (value) => 2 * value)];
      });
      last = answer;
      return answer;
    },
    trial: async (images) => trials.push(images),
    busyMs: () => busy,
    peakRssBytes: () => ms,
    halvedTo: () => undefined,
    close: vi.fn(async () => {}),
    ...changes,
  };
}

async function* batchesOf(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield Uint8Array.of(i, i);
}

test('engines of different speed: the order is kept, and the faster one does more', async () => {
  const [slow, fast] = [fake(40), fake(2)];
  const pool = new EnginePool([slow, fast], ['GPU 0', 'GPU 1']);
  const firsts: number[] = [];
  for await (const [values] of mapOrdered(batchesOf(24), 4, (pixels) => pool.run(pixels, 2))) {
    firsts.push(values[0]!);
  }
  expect(firsts).toEqual(Array.from({ length: 24 }, (_, i) => 2 * i));
  expect(slow.batches.length).toBeGreaterThan(0);
  expect(fast.batches.length).toBeGreaterThan(slow.batches.length);
  expect(pool.members().map(({ images }) => images)).toEqual(
    [slow, fast].map(({ batches }) => 2 * batches.length),
  );
});

test('rates add up, busy times add up, memory is the largest', async () => {
  const pool = new EnginePool([fake(10), fake(20)], ['GPU 0', 'GPU 1']);
  expect(pool.imagesPerSecond()).toBe(0);
  await Promise.all([1, 2].map(() => pool.run(Uint8Array.of(1, 2), 2)));
  expect(pool.busyMs()).toBe(30);
  expect(pool.imagesPerSecond()).toBe(200 + 100);
  expect(pool.peakRssBytes()).toBe(20);
});

test('batches of another size are filled up to the next shape, and those rows dropped', async () => {
  const engine = fake(0);
  const pool = new EnginePool([engine], ['cuda']);
  pool.padTo([2, 4]);
  expect(await pool.run(Uint8Array.of(7), 1)).toEqual([Float32Array.of(14)]);
  expect(await pool.run(Uint8Array.of(7, 8, 9), 3)).toEqual([Float32Array.of(14, 16, 18)]);
  expect(await pool.run(Uint8Array.of(1, 2, 3, 4), 4)).toEqual([Float32Array.of(2, 4, 6, 8)]);
  expect(engine.batches).toEqual([
    Uint8Array.of(7, 0),
    Uint8Array.of(7, 8, 9, 0),
    Uint8Array.of(1, 2, 3, 4),
  ]);
  expect(pool.members()).toEqual([{ name: 'cuda', images: 8, busyMs: 0 }]);
});

test('warm-up reaches every engine, and out of memory there waits for the first batch', async () => {
  const full = fake(0, { trial: () => Promise.reject(new OutOfMemory('OOM')), halvedTo: () => 8 });
  const fit = fake(0);
  const pool = new EnginePool([full, fit], ['GPU 0', 'GPU 1']);
  await pool.warmUp(16);
  expect(fit.trials).toEqual([16]);
  expect(pool.halvedTo()).toBe(8);
  expect(new EnginePool([fit], ['cuda']).halvedTo()).toBeUndefined();
});

test('a failure names the GPU; what stops the run by intent stays as it is', async () => {
  const died = new EngineError('Expected the engine process to run but found that it ended.', {
    fix: 'The run can be resumed.',
  });
  const bad = new EnginePool(
    [fake(0, { run: () => Promise.reject(died) }), fake(0)],
    ['GPU 0 (NVIDIA L4)', 'GPU 1 (NVIDIA L4)'],
  );
  const error = await rejection(EngineError, bad.run(Uint8Array.of(1), 1));
  expect(error.message).toBe(
    'GPU 0 (NVIDIA L4): Expected the engine process to run but found that it ended.',
  );
  expect(error.fix).toBe('The run can be resumed.');
  const stopped = new Interrupted('Stopped.');
  const interrupted = fake(0, { run: () => Promise.reject(stopped) });
  const pool = new EnginePool([interrupted, fake(0)], ['a', 'b']);
  expect(await rejection(Interrupted, pool.run(Uint8Array.of(1), 1))).toBe(stopped);
});

test('closing closes every engine', async () => {
  const engines = [fake(0), fake(0), fake(0)];
  await new EnginePool(engines, ['a', 'b', 'c']).close();
  for (const { close } of engines) expect(close).toHaveBeenCalledTimes(1);
});

const SPEC = { layers: [], precision: 'fp32', threads: 1 } as const;

test.each(devices)(
  'three engines on %s give the bytes of one',
  async (device) => {
    const dir = `${temporaryDir()}/vgg16`;
    const folder = await initModel({
      architecture: 'vgg16',
      seed: 1,
      width: 0.0625,
      classes: 4,
      dir,
    });
    const choice = chooseDevice(device, found);
    const one = await openEngine(SPEC, folder, choice);
    onTestFinished(() => one.close());
    const pool = await openEnginePool([SPEC, SPEC, SPEC], folder, choice);
    onTestFinished(() => pool.close());
    const batches = [2, 2, 2, 1].map((n, i) =>
      Uint8Array.from({ length: n * 224 * 224 * 3 }, (_, j) => (j * (i + 3) + i) % 256),
    );
    const expected: Float32Array[][] = [];
    for (const pixels of batches) expected.push(await one.run(pixels, pixels.length / 150528));
    const results = await Promise.all(batches.map((it) => pool.run(it, it.length / 150528)));
    expect(results).toEqual(expected);
    expect(pool.members().every(({ images }) => images > 0)).toBe(true);
  },
  60_000,
);

test('a killed engine fails its batch by name, and closing leaves no process', async () => {
  const folder = await writeTinyModel();
  const gpus = [0, 1].map((number) => ({ number, name: 'stand-in', env: {} }));
  const pids = await pidsOfChildren(async () => {
    const pool = await openEnginePool(
      gpus.map((gpu) => ({ ...SPEC, gpu })),
      folder,
      chooseDevice('wasm', found),
    );
    onTestFinished(() => pool.close());
    return pool;
  });
  const { pool, children } = pids;
  expect(children).toHaveLength(2);
  process.kill(children[0]!, 'SIGKILL');
  expect(await until(async () => !(await isAlive(children[0]!)))).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const error = await rejection(EngineError, pool.run(new Uint8Array(12), 1));
  expect(error.message).toMatch(
    /^GPU 0 \(stand-in\): Expected the engine process to run but found that it ended with signal SIGKILL/,
  );
  expect(error.fix).toMatch(/The run can be resumed/);
  await pool.close();
  for (const pid of children) expect(await isAlive(pid)).toBe(false);
});

test('an engine that does not open takes the others with it', async () => {
  const folder = await writeTinyModel();
  const gone = { ...SPEC, layers: [{ layer: 'sum2', pool: 'none' as const }] };
  const { pool: error, children } = await pidsOfChildren(() =>
    openEnginePool([SPEC, gone], folder, chooseDevice('wasm', found)).catch((it) => it),
  );
  expect((error as Error).message).toMatch(/found "sum2"/);
  expect(children).toEqual([]);
});

/** What `work` gives, and the engine processes that were started by it and are alive after it. */
async function pidsOfChildren<T>(work: () => Promise<T>) {
  const { readFile } = await import('node:fs/promises');
  const list = async () => {
    const path = `/proc/self/task/${process.pid}/children`;
    const pids = (await readFile(path, 'utf8')).trim().split(' ').filter(Boolean).map(Number);
    return pids;
  };
  const before = new Set(await list());
  const pool = await work();
  const after = (await list()).filter((pid) => !before.has(pid));
  const alive = await Promise.all(after.map(isAlive));
  return { pool, children: after.filter((_, i) => alive[i]) };
}
