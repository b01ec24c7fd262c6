import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';
import { whyNoSharedMemory } from '../../src/engine/batch-memory.ts';
import type { EngineKind, EngineSpec } from '../../src/engine/engine.ts';
import { type OpenEngineOptions, openEngine } from '../../src/engine/open-engine.ts';
import { parseLayers } from '../../src/engine/parse-layers.ts';
import type { ModelFolder } from '../../src/model/model-folder.ts';
import { chooseDevice, type Device } from '../../src/runtime/choose-device.ts';
import { type FoundRuntimes, locateRuntime } from '../../src/runtime/locate-runtime.ts';

export const found = await locateRuntime();
/** Its addon is found now, too. */
export const memoryLacks = whyNoSharedMemory();

// Graphs of test models have no place in the user's cache; the library was found there above.
const cache = mkdtempSync(join(tmpdir(), 'engine-cache-'));
process.env.IMG2FEATURES_CACHE = cache;
afterAll(() => rmSync(cache, { recursive: true }));

/** WebAssembly always; TensorFlow's library where `npm test` could set it up. */
export const devices: Device[] = found.cpu === undefined ? ['wasm'] : ['wasm', 'cpu'];
/** Every way to run a network. */
export const engines: [Device, EngineKind][] = devices.flatMap((device): [Device, EngineKind][] =>
  device === 'cpu'
    ? [
        [device, 'eager'],
        [device, 'graph'],
      ]
    : [[device, 'eager']],
);

interface TestEngineOptions
  extends OpenEngineOptions,
    Partial<Pick<EngineSpec, 'precision' | 'engine' | 'conv'>> {
  readonly device?: 'auto' | Device;
  /** What else than this machine's runtimes is there. */
  readonly found?: FoundRuntimes;
  /** As --layer takes them. */
  readonly layers?: string;
}

/** Opens an engine that is closed when the test is over. */
export async function open(folder: ModelFolder, options: TestEngineOptions = {}) {
  const { device = 'wasm', layers, precision = 'fp32', engine: kind = 'auto' } = options;
  const { conv = 'auto', found: runtimes = found, ...rest } = options;
  const spec: EngineSpec = {
    layers: parseLayers(layers, 'none'),
    precision,
    engine: kind,
    conv,
  };
  const engine = await openEngine(spec, folder, chooseDevice(device, runtimes), rest);
  onTestFinished(() => engine.close());
  return engine;
}

/** Whether a process is there, not counting one that has ended and waits to be collected. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  if (status !== undefined) return !/^State:\s+[ZX]/m.test(status);
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux';
  } catch {
    return false;
  }
}

/** Waits until `condition` holds, at most 10 s. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}
