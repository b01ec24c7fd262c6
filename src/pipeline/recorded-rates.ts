/** What networks made on this machine, so that the next estimate need not measure. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { Device, Precision } from '../engine/engine.ts';
import { cacheDir } from '../runtime/cache-dir.ts';

export interface RecordedRate {
  /** Of the network alone. */
  readonly imagesPerSecond: number;
  readonly by: 'run' | 'doctor' | 'dry-run';
  /** ISO 8601. */
  readonly at: string;
}

export interface RateKey {
  readonly weightsSha256: string;
  readonly device: Device;
  readonly precision: Precision;
  /** Layers asked for, as --layer names them; undefined: the last. */
  readonly layers: string | undefined;
}

/** Networks that are remembered; the oldest goes first. */
const MOST = 50;

/** The rate of these layers, else of the whole network, which takes at least as long. */
export async function readRate(key: RateKey): Promise<RecordedRate | undefined> {
  const rates = await readAll();
  const found = [rates[nameOf(key)], rates[nameOf({ ...key, layers: undefined })]];
  return found.find((rate) => rate !== undefined && !isStale(rate));
}

/** A batch or two, measured while the machine was perhaps busy, are not kept for long. */
function isStale({ by, at }: RecordedRate): boolean {
  return by === 'dry-run' && !(Date.now() - Date.parse(at) < 3_600_000);
}

/** A cache that cannot be written is no failure of the run. */
export async function recordRate(key: RateKey, rate: RecordedRate): Promise<void> {
  if (!(rate.imagesPerSecond > 0)) return;
  try {
    const name = nameOf(key);
    const others = Object.entries(await readAll()).filter(([other]) => other !== name);
    const kept = Object.fromEntries([...others.slice(1 - MOST), [name, rate]]);
    const path = ratesPath();
    await mkdir(dirname(path), { recursive: true });
    const temp = `${path}.tmp-${process.pid}`;
    await writeFile(temp, `${JSON.stringify(kept, null, 2)}\n`);
    await rename(temp, path);
  } catch {
    // The next estimate measures again.
  }
}

async function readAll(): Promise<Record<string, RecordedRate>> {
  try {
    const parsed: unknown = JSON.parse(await readFile(ratesPath(), 'utf8'));
    return typeof parsed === 'object' && parsed !== null
      ? (parsed as Record<string, RecordedRate>)
      : {};
  } catch {
    return {}; // none yet, or damaged: as good as none
  }
}

function ratesPath(): string {
  return join(cacheDir(), 'rates.json');
}

function nameOf({ weightsSha256, device, precision, layers }: RateKey): string {
  const cores = availableParallelism();
  return `${weightsSha256.slice(0, 16)} ${device} ${precision} ${cores} cores ${layers ?? 'last'}`;
}
