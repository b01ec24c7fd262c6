import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openEngine } from '../../src/engine/open-engine.ts';
import { EngineError, Interrupted, RuntimeError } from '../../src/errors.ts';
import { initModel } from '../../src/model/init-model.ts';
import { NO_TENSORFLOW, skipIf } from '../skip-if.ts';
import { rejection } from './caught.ts';
import { found, isAlive, open, until } from './open-engines.ts';
import { temporaryDir, writeTinyModel } from './tiny-model.ts';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
const PIXELS = Uint8Array.from({ length: 12 }, (_, i) => i);

/** A batch that keeps the engine busy for about a second. */
const BUSY_IMAGES = 24;
function busyModel() {
  const dir = join(temporaryDir(), 'vgg16');
  return initModel({ architecture: 'vgg16', seed: 1, width: 0.125, classes: 2, dir });
}
const busyBatch = () => new Uint8Array(BUSY_IMAGES * 224 * 224 * 3);

beforeEach(() => {
  vi.stubEnv('NODE_OPTIONS', '');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** Makes the engine process run `code` before anything else. */
function preload(code: string): void {
  const path = join(temporaryDir(), 'preload.cjs');
  writeFileSync(path, code);
  vi.stubEnv('NODE_OPTIONS', `--require ${path}`);
}

test('closing ends the process and leaves none behind', async () => {
  const engine = await open(await writeTinyModel());
  await engine.run(PIXELS, 1);
  expect(await isAlive(engine.pid!)).toBe(true);
  await engine.close();
  expect(() => process.kill(engine.pid!, 0)).toThrow('ESRCH');
  const error = await rejection(EngineError, engine.run(PIXELS, 1));
  expect(error.message).toBe('Expected an open engine but found that it was closed.');
  await engine.close();
});

test('closing with batches open ends the process at once', async () => {
  const engine = await open(await busyModel());
  const batch = rejection(EngineError, engine.run(busyBatch(), BUSY_IMAGES));
  await engine.close();
  expect((await batch).message).toBe('Expected an open engine but found that it was closed.');
  expect(() => process.kill(engine.pid!, 0)).toThrow('ESRCH');
});

test('a process that is killed in a batch rejects all that is open, and says how it died', async () => {
  const engine = await open(await busyModel());
  const batches = [1, 2].map(() => rejection(EngineError, engine.run(busyBatch(), BUSY_IMAGES)));
  setTimeout(() => process.kill(engine.pid!, 'SIGKILL'), 200);
  for (const error of await Promise.all(batches)) {
    expect(error.message).toMatch(
      /^Expected the engine process to run but found that it ended with signal SIGKILL/,
    );
    expect(error.fix).toMatch(/use a smaller --batch/);
  }
  await rejection(EngineError, engine.run(busyBatch(), BUSY_IMAGES));
});

test.each([1, 50, 500])(
  'the last lines of a process that dies after %i ms are in the error',
  async (ms) => {
    preload(`setTimeout(() => { throw new Error("the very last words"); }, ${ms});`);
    const folder = await writeTinyModel();
    const error = await rejection(
      EngineError,
      (async () => {
        const engine = await open(folder);
        while (true) await engine.run(PIXELS, 1);
      })(),
    );
    expect(error.message).toMatch(/ended with (exit status 1|signal SIGABRT); its last lines:\n/);
    expect(error.message).toMatch(/the very last words/);
  },
);

test('what libraries print reaches onLog and harms nothing', async () => {
  preload(`
    const { isMainThread } = require('node:worker_threads');
    const { writeSync } = require('node:fs');
    if (isMainThread) {
      const frame = Buffer.from('493246450700000000000000ffffffff', 'hex');
      for (const fd of [1, 2]) writeSync(fd, Buffer.concat([frame, Buffer.alloc(300000, 200)]));
      writeSync(1, '\\na warning\\n');
    }`);
  const lines: string[] = [];
  const engine = await open(await writeTinyModel(), {
    layers: 'conv',
    onLog: (line) => lines.push(line),
  });
  const [features] = await engine.run(PIXELS.slice(), 1);
  expect([...features]).toEqual([3, -1, 12, 5, 21, 11, 30, 17]);
  expect(lines).toContain('a warning');
});

test('an engine says nothing when all is well', async () => {
  const lines: string[] = [];
  const engine = await open(await writeTinyModel(), { onLog: (line) => lines.push(line) });
  await engine.run(PIXELS.slice(), 1);
  await engine.close();
  expect(lines).toEqual([]);
});

test('the terminal’s signals are not the engine’s to handle', async () => {
  const engine = await open(await writeTinyModel());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(engine.pid!, signal);
  expect(await engine.run(PIXELS.slice(), 1)).toHaveLength(1);
});

test('an abort rejects what is open and ends the process', async () => {
  const controller = new AbortController();
  const engine = await open(await busyModel(), { signal: controller.signal });
  const batch = rejection(Interrupted, engine.run(busyBatch(), BUSY_IMAGES));
  controller.abort();
  await batch;
  expect(await until(async () => !(await isAlive(engine.pid!)))).toBe(true);
  await engine.close();
});

test('the reason of an abort is kept where it is one of ours', async () => {
  const reason = new Interrupted('Stopped by SIGINT; what is finished is kept.');
  const folder = await writeTinyModel();
  expect(await rejection(Interrupted, open(folder, { signal: AbortSignal.abort(reason) }))).toBe(
    reason,
  );
});

test('an abort while the model loads is an Interrupted as well', async () => {
  const controller = new AbortController();
  const opening = rejection(
    Interrupted,
    open(await writeTinyModel(), { signal: controller.signal }),
  );
  controller.abort();
  await opening;
});

// The batch takes 9 s or more here, and has arrived when the parent says the number.
test('the engine process ends with its parent, also in the middle of a batch', async () => {
  const folder = await busyModel();
  const script = `
    import { openEngine } from ${JSON.stringify(join(DIST, 'engine/open-engine.js'))};
    import { readModelFolder } from ${JSON.stringify(join(DIST, 'model/read-model-folder.js'))};
    const folder = await readModelFolder(${JSON.stringify(folder.dir)});
    const spec = { layers: [{ pool: 'none' }], precision: 'fp32' };
    const choice = { device: 'wasm', reason: 'test', explicit: true };
    const engine = await openEngine(spec, folder, choice);
    const batch = engine.run(new Uint8Array(300 * 150528), 300);
    setTimeout(() => console.log(engine.pid), 1500);
    await batch;`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script]);
  const [output] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(output);
  expect(await isAlive(pid)).toBe(true);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  const killed = performance.now();
  expect(await until(async () => !(await isAlive(pid)))).toBe(true);
  expect(performance.now() - killed).toBeLessThan(3000);
});

test('pixels that are no whole batch are refused', async () => {
  const engine = await open(await writeTinyModel());
  const error = await rejection(EngineError, engine.run(new Uint8Array(11), 1));
  expect(error.message).toBe('Expected 1 × 12 bytes for a batch but found 11.');
  await rejection(EngineError, engine.run(new Uint8Array(0), 0));
});

test.each(['tf32', 'fp16', 'bf16'] as const)(
  '%s is refused where it is not computed',
  async (precision) => {
    const error = await rejection(EngineError, open(await writeTinyModel(), { precision }));
    expect(error.message).toBe(
      `Expected fp32 for --precision on wasm but found ${precision}: not in this engine.`,
    );
  },
);

const SPEC = {
  layers: [{ layer: undefined, pool: 'none' }],
  precision: 'fp32',
} as const;

test('a library that cannot be loaded is a RuntimeError of the parent', async () => {
  const folder = await writeTinyModel();
  const dir = temporaryDir();
  const bindingPath = join(dir, 'none.node');
  const runtime = { kind: 'cpu', dir, bindingPath, tensorflow: '2.21.0' } as const;
  const choice = { device: 'cpu', reason: 'test', runtime, explicit: true } as const;
  const error = await rejection(RuntimeError, openEngine(SPEC, folder, choice));
  expect(error.fix).toMatch(/img2features setup/);
});

// The CPU library stands for a CUDA library that finds no GPU.
test(
  'CUDA without a GPU never becomes the CPU unsaid',
  skipIf(found.cpu === undefined, NO_TENSORFLOW),
  async () => {
    const folder = await writeTinyModel();
    const cuda = { device: 'cuda', reason: 'a driver', runtime: found.cpu } as const;
    const asked = await rejection(
      EngineError,
      openEngine(SPEC, folder, { ...cuda, explicit: true }),
    );
    expect(asked.message).toMatch(
      /^Expected a GPU for --device cuda but found that TensorFlow .* uses no GPU \(a driver\)/,
    );
    const auto = await openEngine(SPEC, folder, { ...cuda, explicit: false });
    expect(auto.info).toMatchObject({ device: 'cpu', deviceName: undefined });
    expect(auto.info.deviceReason).toMatch(/uses no GPU \(a driver\)/);
    await auto.close();
    const tf32 = await rejection(
      EngineError,
      openEngine({ ...SPEC, precision: 'tf32' }, folder, { ...cuda, explicit: false }),
    );
    expect(tf32.message).toBe(
      'Expected fp32 for --precision on cpu but found tf32: not in this engine.',
    );
  },
);
