/*
 * SavedModels that were made once, under <cache>/graphs/<SHA-256 of what they are made of>. Each is
 * made under a hidden name and renamed, so it is whole or not there; graph.json in it says how long
 * its files are and which bytes the small ones hold. TensorFlow checks the weights themselves: each
 * tensor has a CRC in the checkpoint.
 */
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '../../files/make-folder.ts';
import { replaceFolder } from '../../files/put-in-place.ts';
import { readJsonFile } from '../../json.ts';
import { cacheDir } from '../../runtime/cache-dir.ts';
import { isTrusted } from '../../runtime/trusted-code.ts';
import { SAVED_MODEL_FILES } from './write-saved-model.ts';

/** How many graphs are kept: those used last. */
const KEPT = 5;
/** One that was used a moment ago may be about to be loaded by another process. */
const IN_USE_MS = 10 * 60 * 1000;
const RECORD = 'graph.json';

/** What graph.json says of each file. */
interface FileRecord {
  readonly bytes: number;
  /** Of files that are small. */
  readonly sha256?: string;
}

/** In the cache folder; where that cannot be written (a packed installation), in a temporary folder of this user's. */
export function graphsDir(env: NodeJS.ProcessEnv = process.env): string {
  const dir = join(cacheDir(env), 'graphs');
  // No other user may put a graph there: TensorFlow would run it.
  if (canWrite(dir) && isTrusted(dir)) return dir;
  const own = join(tmpdir(), `img2features-${userInfo().uid}`);
  return canWrite(own) && isTrusted(own)
    ? join(own, 'graphs')
    : mkdtempSync(join(tmpdir(), 'img2features-'));
}

function canWrite(dir: string): boolean {
  try {
    makeFolder(dir, 0o700);
    accessSync(dir, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param inputs what the bytes of a graph depend on beside `model`, its saved_model.pb. */
export function graphKey(inputs: unknown, model: Uint8Array): string {
  return createHash('sha256').update(JSON.stringify(inputs)).update(model).digest('hex');
}

/**
 * The folder of the graph `key`, made now where it is not there or damaged. Two processes may make
 * one at the same time: the first to finish is kept.
 * @param fill writes the SavedModel into an empty folder.
 */
export async function ensureGraph(
  dir: string,
  key: string,
  fill: (temp: string) => void,
): Promise<string> {
  const target = join(dir, key);
  if (isIntact(target)) {
    touch(target);
    return target;
  }
  try {
    await replaceFolder(target, {
      overwrite: true,
      check: async () => {
        if (isIntact(target)) throw new AlreadyMade();
      },
      fill: async (temp) => {
        fill(temp);
        writeFileSync(join(temp, RECORD), JSON.stringify(describeFiles(temp)), { flush: true });
      },
    });
  } catch (error) {
    // The other process may also have finished just before the rename.
    if (!isIntact(target)) throw error;
  }
  prune(dir, target);
  return target;
}

/** Removes a graph that TensorFlow refused. */
export function removeGraph(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}

class AlreadyMade extends Error {}

function isIntact(dir: string): boolean {
  try {
    const record = readJsonFile(join(dir, RECORD)) as Record<string, FileRecord>;
    return Object.values(SAVED_MODEL_FILES).every((name) => {
      const { bytes, sha256 } = record[name];
      const path = join(dir, name);
      return statSync(path).size === bytes && (sha256 === undefined || hashOf(path) === sha256);
    });
  } catch {
    // Not there, or not readable as what it should be: it is made again.
    return false;
  }
}

function describeFiles(dir: string): Record<string, FileRecord> {
  return Object.fromEntries(
    Object.values(SAVED_MODEL_FILES).map((name) => {
      const path = join(dir, name);
      const isData = name === SAVED_MODEL_FILES.data;
      const { size: bytes } = statSync(path);
      return [name, isData ? { bytes } : { bytes, sha256: hashOf(path) }];
    }),
  );
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function touch(dir: string): void {
  try {
    utimesSync(join(dir, RECORD), new Date(), new Date());
  } catch {
    // Where the cache cannot be written, the time of last use is not updated.
  }
}

/** Removes all but the graphs used last; one in use, or just made, stays. */
function prune(dir: string, made: string): void {
  const oldest = Date.now() - IN_USE_MS;
  const graphs = readdirSync(dir)
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .map((name) => ({ path: join(dir, name), usedMs: usedMs(join(dir, name, RECORD)) }))
    .sort((a, b) => b.usedMs - a.usedMs);
  for (const { path, usedMs } of graphs.slice(KEPT)) {
    if (path !== made && usedMs < oldest) rmSync(path, { recursive: true, force: true });
  }
}

function usedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
