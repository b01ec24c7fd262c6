/** The tfjs layers format as any tool writes it, checked: the text is a user's file and may be anything. */
import { ModelError } from '../errors.ts';
import { show } from '../json.ts';
import { shapeSize } from './count-values.ts';

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

/** A shard must be in the model folder: "../x" or "/x" would read files that are no weights. */
function isPlainFileName(path: unknown): path is string {
  return typeof path === 'string' && /^[^/\\\0]+$/.test(path) && path !== '.' && path !== '..';
}

export function isShape(value: unknown): value is number[] {
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

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
