import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { errnoOf, isImg2FeaturesError, ModelError } from '../errors.ts';
import type { ModelFolder, ModelMetadata, WeightSpec } from './model-folder.ts';
import { MODEL_FORMAT, parseModelJson } from './model-json.ts';
import { readModelFolder } from './read-model-folder.ts';
import { ShardWriter } from './shard-writer.ts';

/** Ends the name of an old model that steps aside while the new one takes its place. */
const RETIRED = '-old';

export interface WeightStream {
  readonly spec: WeightSpec;
  /**
   * Little-endian float32 values in row-major order. A chunk is written before the next one is
   * asked for, so a producer may use one buffer over and over.
   */
  readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface ModelFolderContent {
  readonly topology: Record<string, unknown>;
  /** `weightsSha256` is computed while writing. */
  readonly metadata: Omit<ModelMetadata, 'weightsSha256'>;
  readonly weights: AsyncIterable<WeightStream> | Iterable<WeightStream>;
  /** What made the topology, e.g. "keras v2.15.0"; tfjs' own field of that name. */
  readonly generatedBy?: string;
  /** Replace a model that is there already; anything else is never replaced. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Writes a model in tfjs layers format: model.json and shards of 64 MiB. Memory is bounded by one
 * chunk. Everything is written beside `dir` and renamed at the end, so `dir` holds the whole model
 * or what it held before.
 * @throws ModelError when `dir` holds something else, the weights do not fit their shapes, or the
 *   disk refuses; the temporary folder is gone then
 */
export async function writeModelFolder(
  dir: string,
  content: ModelFolderContent,
): Promise<ModelFolder> {
  const target = resolve(dir);
  const overwrite = content.overwrite ?? false;
  const beside = `.${basename(target)}.img2features-${hostname()}-`;
  const temp = join(dirname(target), `${beside}${process.pid}-${randomBytes(4).toString('hex')}`);
  try {
    await mkdir(dirname(target), { recursive: true });
    await clearLeftovers(target, beside);
    await checkReplaceable(target, overwrite);
    await mkdir(temp);
    await writeContent(temp, content);
    await moveIntoPlace(temp, target, overwrite);
  } catch (cause) {
    // What went wrong first is what the user must see, also where cleaning up fails.
    await rm(temp, { recursive: true, force: true }).catch(() => undefined);
    if (isImg2FeaturesError(cause) || content.signal?.aborted) throw cause;
    throw writeFailure(target, cause);
  }
  return readModelFolder(target);
}

/**
 * Refuses early, before minutes of work, what `moveIntoPlace` would refuse at the end.
 * @throws ModelError unless `dir` is free, empty, or a model that may be replaced
 */
export async function checkReplaceable(dir: string, overwrite: boolean): Promise<void> {
  let names: string[];
  try {
    names = await readdir(dir);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return;
    throw writeFailure(dir, cause);
  }
  if (names.length === 0) return;
  if (!names.includes('model.json')) {
    throw new ModelError(
      `Expected a new or empty folder for the model but found ${dir} with ${names[0]} in it.`,
      { fix: 'Name another folder.' },
    );
  }
  if (!overwrite) {
    throw new ModelError(`Expected a new folder for the model but found a model in ${dir}.`, {
      fix: 'Name another folder, or add --overwrite to replace the model.',
    });
  }
  const other = names.find((name) => name !== 'model.json' && !name.endsWith('.bin'));
  if (other !== undefined) {
    throw new ModelError(
      `Expected only a model in ${dir} to be replaced but found ${other} there too.`,
      { fix: 'Move that file away, or name another folder.' },
    );
  }
}

/**
 * Folders that killed writers to the same target left on this machine. One killed between its two
 * renames left the old model aside and no target: the old model comes back.
 */
async function clearLeftovers(target: string, prefix: string): Promise<void> {
  const parent = dirname(target);
  for (const name of await readdir(parent)) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : 0;
    if (!(pid > 0) || isRunning(pid)) continue;
    const leftover = join(parent, name);
    const isLost = name.endsWith(RETIRED) && !existsSync(target);
    if (isLost) await rename(leftover, target);
    else await rm(leftover, { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ESRCH';
  }
}

async function writeContent(temp: string, content: ModelFolderContent): Promise<void> {
  const shards = new ShardWriter(temp);
  const specs: WeightSpec[] = [];
  let written: { paths: string[]; sha256: string };
  try {
    for await (const { spec, chunks } of content.weights) {
      specs.push(spec);
      const expected = 4 * spec.shape.reduce((a, b) => a * b, 1);
      const before = shards.totalBytes;
      for await (const chunk of chunks) {
        content.signal?.throwIfAborted();
        await shards.write(chunk);
      }
      const found = shards.totalBytes - before;
      if (found !== expected) {
        throw new ModelError(
          `Expected ${expected} bytes for weight ${spec.name} of shape [${spec.shape.join(', ')}] but found ${found}.`,
        );
      }
    }
    written = await shards.finish();
  } catch (error) {
    await shards.abandon();
    throw error;
  }
  const modelJson = {
    format: MODEL_FORMAT,
    generatedBy: content.generatedBy ?? 'img2features',
    convertedBy: 'img2features',
    modelTopology: content.topology,
    weightsManifest: [
      {
        paths: written.paths,
        weights: specs.map(({ name, shape, dtype }) => ({ name, shape: [...shape], dtype })),
      },
    ],
    userDefinedMetadata: {
      img2features: { ...content.metadata, weightsSha256: written.sha256 },
    },
  };
  const text = `${JSON.stringify(modelJson)}\n`;
  // The reader's own checks, before the model goes where the user will look for it.
  parseModelJson(text, join(temp, 'model.json'));
  await writeSynced(join(temp, 'model.json'), text);
  await syncFolder(temp);
}

async function moveIntoPlace(temp: string, target: string, overwrite: boolean): Promise<void> {
  await checkReplaceable(target, overwrite);
  const retired = `${temp}${RETIRED}`;
  let isRetired = false;
  try {
    // A folder cannot be renamed over a filled one: an old model steps aside, an empty folder goes.
    if (overwrite) await rename(target, retired);
    else await rmdir(target);
    isRetired = overwrite;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  try {
    await rename(temp, target);
  } catch (error) {
    if (isRetired) await rename(retired, target);
    throw error;
  }
  await syncFolder(dirname(target));
  if (isRetired) await rm(retired, { recursive: true, force: true });
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(dir: string): Promise<void> {
  // Windows cannot open a folder; its renames are journalled by the file system.
  if (process.platform === 'win32') return;
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function writeFailure(dir: string, cause: unknown): ModelError {
  const code = errnoOf(cause);
  const reason = code === 'ENOSPC' ? 'no space left on the disk' : (cause as Error).message;
  return new ModelError(`Expected to write the model to ${dir} but found: ${reason}.`, { cause });
}
