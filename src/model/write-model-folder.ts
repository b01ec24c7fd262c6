import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errnoOf, ModelError } from '../errors.ts';
import { replaceFolder } from '../files/put-in-place.ts';
import { refuseNotFinite } from './check-weights.ts';
import { shapeSize } from './count-values.ts';
import type { ModelFolder, ModelMetadata, WeightSpec } from './model-folder.ts';
import { parseModelJson } from './model-json.ts';
import { readModelFolder } from './read-model-folder.ts';
import { ShardWriter } from './shard-writer.ts';
import { MODEL_FORMAT } from './tfjs-json.ts';

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
 * @throws ModelError when `dir` holds something else, the weights do not fit their shapes or are not
 *   finite, or the disk refuses; the temporary folder is removed then
 */
export async function writeModelFolder(
  dir: string,
  content: ModelFolderContent,
): Promise<ModelFolder> {
  const target = resolve(dir);
  const overwrite = content.overwrite ?? false;
  try {
    await replaceFolder(target, {
      overwrite,
      check: () => checkReplaceable(target, overwrite),
      fill: (temp) => writeContent(temp, content),
    });
  } catch (cause) {
    if (errnoOf(cause) === undefined || content.signal?.aborted) throw cause;
    throw writeFailure(target, cause);
  }
  return readModelFolder(target);
}

/**
 * Refuses early, before minutes of work, what `writeModelFolder` would refuse at the end.
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

async function writeContent(temp: string, content: ModelFolderContent): Promise<void> {
  const { specs, paths, sha256 } = await writeWeights(temp, content);
  const modelJson = {
    format: MODEL_FORMAT,
    generatedBy: content.generatedBy ?? 'img2features',
    convertedBy: 'img2features',
    modelTopology: content.topology,
    weightsManifest: [
      { paths, weights: specs.map(({ name, shape, dtype }) => ({ name, shape, dtype })) },
    ],
    userDefinedMetadata: { img2features: { ...content.metadata, weightsSha256: sha256 } },
  };
  const text = `${JSON.stringify(modelJson)}\n`;
  // The reader's own checks, before the model goes where the user will look for it.
  parseModelJson(text, join(temp, 'model.json'));
  await writeFile(join(temp, 'model.json'), text, { flag: 'wx', flush: true });
}

async function writeWeights(temp: string, { weights, signal }: ModelFolderContent) {
  const shards = new ShardWriter(temp);
  const specs: WeightSpec[] = [];
  try {
    for await (const { spec, chunks } of weights) {
      specs.push(spec);
      const expected = 4 * shapeSize(spec.shape);
      const before = shards.totalBytes;
      for await (const chunk of chunks) {
        signal?.throwIfAborted();
        await shards.write(chunk);
        if (shards.bad !== undefined) throw refuseNotFinite('the model', specs, shards.bad);
      }
      const found = shards.totalBytes - before;
      if (found !== expected) {
        throw new ModelError(
          `Expected ${expected} bytes for weight ${spec.name} of shape [${spec.shape.join(', ')}] but found ${found}.`,
        );
      }
    }
    return { specs, ...(await shards.finish()) };
  } catch (error) {
    await shards.abandon();
    throw error;
  }
}

function writeFailure(dir: string, cause: unknown): ModelError {
  const code = errnoOf(cause);
  const reason = code === 'ENOSPC' ? 'no space left on the disk' : (cause as Error).message;
  return new ModelError(`Expected to write the model to ${dir} but found: ${reason}.`, { cause });
}
