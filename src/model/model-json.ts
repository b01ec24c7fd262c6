/** model.json, checked: the text is a user's file and may be anything. */
import { dirname } from 'node:path';
import { ModelError } from '../errors.ts';
import { parseJson, show } from '../json.ts';
import {
  normalPreprocessing,
  PREPROCESSING_CHOICES,
  type Preprocessing,
  pixelSteps,
} from '../options/preprocessing.ts';
import { checkTopology } from './check-topology.ts';
import { shapeSize } from './count-values.ts';
import { convertFirst } from './foreign-model.ts';
import type { ModelMetadata, WeightSpec } from './model-folder.ts';
import { firstScaling, isGray } from './topology-layers.ts';

export const MODEL_FORMAT = 'layers-model';

/** A weight as a tfjs converter may store it. */
export interface StoredSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** How the values are stored where that is not as `dtype` says; without a scale: half precision. */
  readonly quantization?: {
    readonly dtype: string;
    readonly scale?: number;
    readonly min?: number;
  };
}

export interface WeightGroup<Spec> {
  readonly paths: readonly string[];
  readonly weights: readonly Spec[];
}

export interface TfjsJson {
  readonly topology: Record<string, unknown>;
  /** One entry a weight group; a group's shards hold its weights back to back. */
  readonly groups: readonly WeightGroup<StoredSpec>[];
  /** Which tool wrote it, as it says itself. */
  readonly writtenBy: string;
  /** Ours; undefined for a model that another tool wrote. */
  readonly ownMetadata: unknown;
}

export interface ModelJson extends TfjsJson {
  readonly groups: readonly WeightGroup<WeightSpec>[];
  readonly metadata: ModelMetadata | undefined;
}

/**
 * A model that can be used as it is.
 * @param path for messages only
 * @throws ModelError naming the field that is wrong
 */
export function parseModelJson(text: string, path: string): ModelJson {
  const json = parseTfjsJson(parseObject(text, path), path);
  const isForeign = json.ownMetadata === undefined;
  const fix = isForeign ? { fix: convertFirst(dirname(path)) } : {};
  try {
    checkTopology(json.topology);
  } catch (cause) {
    const reason = (cause as Error).message.replace(/\.$/, '');
    throw new ModelError(`${reason} (${path}).`, { cause, ...fix });
  }
  return {
    ...json,
    groups: json.groups.map(({ paths, weights }) => ({
      paths,
      weights: weights.map((weight) => expectFloat32(weight, path, fix)),
    })),
    metadata: isForeign ? undefined : parseMetadata(json.ownMetadata, path),
  };
}

/**
 * The tfjs layers format, whatever its topology and the types of its weights.
 * @throws ModelError naming the field that is wrong
 */
export function parseTfjsJson(json: Readonly<Record<string, unknown>>, path: string): TfjsJson {
  const expect = (what: string, found: unknown): ModelError =>
    new ModelError(`Expected ${what} in ${path} but found ${show(found)}.`);
  if (json.format === 'graph-model') {
    throw new ModelError(`Expected format "${MODEL_FORMAT}" in ${path} but found "graph-model".`, {
      fix: 'A graph has no layers to name any more. Convert the Keras file that it was made from: img2features model convert <keras file>.',
    });
  }
  // Converters before tfjs 1.0 wrote no format.
  if (json.format !== undefined && json.format !== MODEL_FORMAT) {
    throw expect(`format "${MODEL_FORMAT}"`, json.format);
  }
  if (!isObject(json.modelTopology)) throw expect('an object modelTopology', json.modelTopology);
  if (!Array.isArray(json.weightsManifest)) {
    throw expect('a list weightsManifest', json.weightsManifest);
  }
  const groups = json.weightsManifest.map((group: unknown) => {
    const { paths, weights } = (isObject(group) ? group : {}) as Record<string, unknown>;
    if (!Array.isArray(paths) || !paths.every(isPlainFileName)) {
      throw expect('plain file names as paths of weightsManifest', paths);
    }
    if (!Array.isArray(weights)) throw expect('a list of weights in weightsManifest', weights);
    return { paths, weights: weights.map((weight) => parseWeight(weight, path)) };
  });
  checkUnique(
    groups.flatMap((group) => group.weights.map((weight) => weight.name)),
    path,
  );
  const userDefined = isObject(json.userDefinedMetadata) ? json.userDefinedMetadata : {};
  return {
    topology: json.modelTopology,
    groups,
    ownMetadata: userDefined.img2features,
    writtenBy: [json.generatedBy, json.convertedBy]
      .filter((name) => typeof name === 'string' && name !== '')
      .join(', '),
  };
}

/** What the folder says; none for a model that scales the pixels itself; undefined: only the user knows. */
export function knownPreprocessing({ metadata, topology }: ModelJson): Preprocessing | undefined {
  if (metadata !== undefined) return metadata.preprocessing;
  return firstScaling(topology) === undefined ? undefined : 'none';
}

/** @throws ModelError for a preprocessing of three colours where the network takes one channel */
export function expectFitting(
  preprocessing: Preprocessing,
  topology: Readonly<Record<string, unknown>>,
): void {
  const { isBgr, steps } = pixelSteps(preprocessing);
  if (!isGray(topology) || !(isBgr || steps.some(({ by }) => by.length > 1))) return;
  throw new ModelError(
    `Expected a preprocessing of gray images but found ${preprocessing}, which is one of red, green and blue: the network takes one channel.`,
    { fix: 'Give tf, unit, none, or one number for mean and one for std.' },
  );
}

/** Bytes of one value by the type in which it is stored. */
const STORED_BYTES: Readonly<Record<string, number>> = {
  float32: 4,
  int32: 4,
  float16: 2,
  uint16: 2,
  uint8: 1,
  bool: 1,
};

/** @throws ModelError for a type that is not known */
export function storedBytes({ name, shape, dtype, quantization }: StoredSpec): number {
  const type = quantization?.dtype ?? dtype;
  const bytes = Object.hasOwn(STORED_BYTES, type) ? STORED_BYTES[type] : undefined;
  if (bytes !== undefined) return bytes * shapeSize(shape);
  throw new ModelError(
    `Expected one of ${Object.keys(STORED_BYTES).join(', ')} as type of weight ${name} but found ${show(type)}.`,
  );
}

function parseWeight(weight: unknown, path: string): StoredSpec {
  const found = isObject(weight) ? weight : {};
  const { name, shape, dtype, quantization } = found;
  if (typeof name !== 'string' || !isShape(shape) || typeof dtype !== 'string') {
    throw new ModelError(
      `Expected a name, a shape and a dtype for each weight in ${path} but found ${show(weight)}.`,
    );
  }
  if (quantization === undefined) return { name, shape, dtype };
  if (isQuantization(quantization)) return { name, shape, dtype, quantization };
  throw new ModelError(
    `Expected a quantization to uint8 or uint16 by scale and min, or to float16, for weight ${name} in ${path} but found ${show(quantization)}.`,
  );
}

function isQuantization(value: unknown): value is NonNullable<StoredSpec['quantization']> {
  if (!isObject(value)) return false;
  const { dtype, scale, min } = value;
  if (dtype === 'float16') return scale === undefined;
  const isInteger = dtype === 'uint8' || dtype === 'uint16';
  return isInteger && Number.isFinite(scale) && Number.isFinite(min);
}

/** This project computes in float32 only. */
function expectFloat32(
  { name, shape, dtype, quantization }: StoredSpec,
  path: string,
  fix: { readonly fix?: string },
): WeightSpec {
  if (quantization === undefined && dtype === 'float32') return { name, shape, dtype };
  const found = quantization === undefined ? show(dtype) : 'quantized values';
  throw new ModelError(`Expected float32 for weight ${name} in ${path} but found ${found}.`, fix);
}

function parseMetadata(value: unknown, path: string): ModelMetadata {
  const found = (isObject(value) ? value : {}) as Record<string, unknown>;
  const checks: readonly (readonly [field: string, expected: string, isGood: boolean])[] = [
    [
      'architecture',
      'a name or null',
      found.architecture === null || typeof found.architecture === 'string',
    ],
    [
      'preprocessing',
      PREPROCESSING_CHOICES,
      normalPreprocessing(String(found.preprocessing)) !== undefined,
    ],
    [
      'inputSize',
      'height and width in pixels',
      isShape(found.inputSize) && found.inputSize.length === 2 && !found.inputSize.includes(0),
    ],
    ['nested', 'names of layers', found.nested === undefined || isNames(found.nested)],
    ['trained', 'true or false', typeof found.trained === 'boolean'],
    ['source', 'the origin of the weights', isSource(found.source)],
    ['weightsSha256', '64 hex digits', /^[0-9a-f]{64}$/.test(String(found.weightsSha256))],
  ];
  for (const [field, expected, isGood] of checks) {
    if (!isGood) {
      throw new ModelError(
        `Expected ${expected} for userDefinedMetadata.img2features.${field} in ${path} but found ${show(found[field])}.`,
      );
    }
  }
  const preprocessing = normalPreprocessing(String(found.preprocessing))!;
  return { ...(found as unknown as ModelMetadata), preprocessing };
}

function isNames(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((name) => typeof name === 'string');
}

function isSource(value: unknown): boolean {
  if (!isObject(value)) return false;
  const hasTexts = (...fields: string[]) =>
    fields.every((field) => typeof value[field] === 'string');
  if (value.kind === 'keras' || value.kind === 'torch') return hasTexts('file', 'format', 'sha256');
  if (value.kind === 'tfjs') return hasTexts('by');
  return (
    value.kind === 'seeded' && typeof value.seed === 'number' && typeof value.width === 'number'
  );
}

/** A shard must be in the model folder: "../x" or "/x" would read files that are no weights. */
function isPlainFileName(path: unknown): path is string {
  return typeof path === 'string' && /^[^/\\\0]+$/.test(path) && path !== '.' && path !== '..';
}

function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

function checkUnique(names: readonly string[], path: string): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) {
      throw new ModelError(`Expected each weight once in ${path} but found ${name} twice.`);
    }
    seen.add(name);
  }
}

function parseObject(text: string, path: string): Record<string, unknown> {
  const fix = 'The file is damaged: make the model folder again.';
  const value = parseJson(text, { name: path, error: ModelError, fix });
  if (isObject(value)) return value;
  throw new ModelError(`Expected a JSON object in ${path} but found ${show(value)}.`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
