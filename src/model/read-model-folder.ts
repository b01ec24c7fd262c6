import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { errnoOf, ModelError } from '../errors.ts';
import { MAX_JSON_BYTES } from '../json.ts';
import {
  PREPROCESSING_CHOICES,
  type Preprocessing,
  preprocessing as parsePreprocessing,
} from '../options/preprocessing.ts';
import { isArchitectureName } from './architectures/architecture.ts';
import { hashWeights, type Shard, stampOf } from './check-weights.ts';
import { modelDirOf } from './find-model-folder.ts';
import { convertFirst, explainNoModel, nameForeignModel, readStart } from './foreign-model.ts';
import type { ModelFolder, ModelMetadata } from './model-folder.ts';
import { expectFitting, knownPreprocessing, type ModelJson, parseModelJson } from './model-json.ts';
import { type StoredSpec, storedBytes, type WeightGroup } from './tfjs-json.ts';
import { inputShapeOf } from './topology-layers.ts';

export interface ReadOptions {
  /**
   * What to do to the pixels. Needed for a model that another tool wrote (it cannot say); replaces
   * what the folder says otherwise.
   */
  readonly preprocessing?: Preprocessing;
  /** Read the weights even where the cache keeps the SHA-256 of these very files. Default: false. */
  readonly isFresh?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Reads and checks a model folder: model.json, that all shards are there, that their sizes add up to the
 * weights exactly, that every weight is finite and their SHA-256 is the one stated.
 * @throws ModelError
 */
export async function readModelFolder(
  dir: string,
  options: ReadOptions = {},
): Promise<ModelFolder> {
  const path = modelDirOf(resolve(dir));
  const json = await readModelJson(path);
  const weights = json.groups.flatMap((group) => group.weights);
  const shards = await findShards(path, json.groups);
  const preprocessing =
    options.preprocessing === undefined
      ? knownPreprocessing(json)
      : parsePreprocessing(options.preprocessing, 'preprocessing');
  if (preprocessing === undefined) {
    throw new ModelError(
      `Expected a preprocessing for ${path} but found none: another tool (${json.writtenBy || 'unknown'}) wrote the model.`,
      { fix: `Say what the model was trained with: --preprocessing ${PREPROCESSING_CHOICES}.` },
    );
  }
  expectFitting(preprocessing, json.topology);
  const stated = json.metadata ?? {
    architecture: null,
    inputSize: fixedInputSize(json.topology, path),
    trained: true,
    source: { kind: 'tfjs' as const, by: json.writtenBy },
  };
  const weightsSha256 = await hashWeights({ dir: path, shards, weights }, options);
  if (json.metadata !== undefined) expectStatedHash(path, json.metadata, weightsSha256);
  return {
    dir: path,
    topology: json.topology,
    weights,
    shardPaths: shards.map((shard) => shard.path),
    shardStamps: shards.map(({ stats }) => stampOf(stats)),
    metadata: { ...stated, preprocessing, weightsSha256 },
  };
}

function expectStatedHash(path: string, { weightsSha256 }: ModelMetadata, found: string): void {
  if (found === weightsSha256) return;
  throw new ModelError(
    `Expected weights with SHA-256 ${weightsSha256} in ${path}, as its model.json says, but found ${found}.`,
    {
      fix: 'The weights were changed or damaged after they were written: restore the files, or convert, fetch or init the model again.',
    },
  );
}

/**
 * model.json alone, checked but without a look at the shards.
 * @throws ModelError; where there is none, it names the three ways to a model
 */
export async function readModelJson(given: string): Promise<ModelJson> {
  const dir = modelDirOf(given);
  const path = join(dir, 'model.json');
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_JSON_BYTES) throw new Error(`${size} bytes, which is no description of a model`);
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const code = errnoOf(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw await noModel(dir, cause);
    throw new ModelError(`Expected to read ${path} but found: ${(cause as Error).message}.`, {
      cause,
    });
  }
  expectNoOtherFile(path, text);
  return parseModelJson(text, path);
}

/** A pointer of Git LFS or a server's page may be where the file should be. */
function expectNoOtherFile(path: string, start: string): void {
  const other = nameForeignModel('', start);
  if (other === undefined) return;
  throw new ModelError(`Expected a file of the model in ${path} but found ${other.found}.`, other);
}

async function noModel(dir: string, cause: unknown): Promise<ModelError> {
  const explained = await explainNoModel(dir);
  if (explained !== undefined) {
    const { found, fix } = explained;
    return new ModelError(`Expected a model folder in ${dir} but found ${found}.`, { fix, cause });
  }
  const wanted = basename(dir);
  const name = isArchitectureName(wanted) ? wanted : 'vgg16';
  const out = wanted === name ? '' : ` --out ${dir}`;
  return new ModelError(`Expected a model in ${dir} but found no model.json.`, {
    fix: [
      'Get one in one of three ways:',
      `img2features model fetch ${name}${out} (official Keras weights);`,
      `img2features model convert <keras file> --out ${dir} (your own .h5, .weights.h5 or .keras);`,
      `img2features model init ${name} --seed 1${out} (not trained: for demos, tests, benchmarks).`,
    ].join(' '),
    cause,
  });
}

/** The weight shards in manifest order. @throws ModelError where their sizes do not add up */
export async function findShards(
  dir: string,
  groups: readonly WeightGroup<StoredSpec>[],
): Promise<Shard[]> {
  const shards: Shard[] = [];
  for (const { paths, weights } of groups) {
    const expected = weights.reduce((sum, weight) => sum + storedBytes(weight), 0);
    let found = 0;
    for (const name of paths) {
      const shard = await findShard(join(dir, name));
      shards.push(shard);
      found += Number(shard.stats.size);
    }
    if (found !== expected) {
      for (const { path } of shards) expectNoOtherFile(path, await readStart(path));
      throw new ModelError(`Expected ${expected} bytes of weights in ${dir} but found ${found}.`, {
        fix: 'The folder is damaged or mixed with another model: make it again.',
      });
    }
  }
  return shards;
}

async function findShard(path: string): Promise<Shard> {
  try {
    const stats = await stat(path, { bigint: true });
    if (stats.isFile()) return { path, stats };
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') {
      throw new ModelError(`Expected to read ${path} but found: ${(cause as Error).message}.`, {
        cause,
      });
    }
  }
  throw new ModelError(`Expected a weight shard ${path} but found none.`, {
    fix: 'The folder is damaged: make it again.',
  });
}

function fixedInputSize(
  topology: Readonly<Record<string, unknown>>,
  path: string,
): readonly [number, number] {
  const shape = inputShapeOf(topology);
  const [height, width, channels] = shape ?? [];
  if (
    typeof height === 'number' &&
    typeof width === 'number' &&
    (channels === 3 || channels === 1)
  ) {
    return [height, width];
  }
  const found = shape ? `[${shape.map((side) => side ?? '?').join(', ')}]` : 'none';
  throw new ModelError(
    `Expected an input shape [height, width, 3] (RGB) or [height, width, 1] (gray) with fixed sizes in ${path} but found ${found}.`,
    { fix: `${convertFirst(path)} Where the model leaves its size open, add --input-size.` },
  );
}
