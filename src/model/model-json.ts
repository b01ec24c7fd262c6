/** model.json, checked: the text is a user's file and may be anything. */
import { ModelError } from '../errors.ts';
import { parseJson, show } from '../json.ts';
import {
  normalPreprocessing,
  PREPROCESSING_CHOICES,
  type Preprocessing,
  pixelSteps,
} from '../options/preprocessing.ts';
import { checkTopology } from './check-topology.ts';
import type { ModelMetadata, WeightSpec } from './model-folder.ts';
import { firstScaling, isGray } from './topology-layers.ts';

export const MODEL_FORMAT = 'layers-model';

export interface ModelJson {
  readonly topology: Record<string, unknown>;
  /** One entry a weight group; a group's shards hold its weights back to back. */
  readonly groups: readonly { readonly paths: string[]; readonly weights: WeightSpec[] }[];
  /** undefined for a model that another tool wrote. */
  readonly metadata: ModelMetadata | undefined;
  /** Which tool wrote it, as it says itself. */
  readonly writtenBy: string;
}

/**
 * @param path for messages only
 * @throws ModelError naming the field that is wrong
 */
export function parseModelJson(text: string, path: string): ModelJson {
  const json = parseObject(text, path);
  const expect = (what: string, found: unknown): ModelError =>
    new ModelError(`Expected ${what} in ${path} but found ${show(found)}.`);
  if (json.format === 'graph-model') {
    throw new ModelError(`Expected format "${MODEL_FORMAT}" in ${path} but found "graph-model".`, {
      fix: 'Convert the Keras file itself: img2features model convert <keras file>.',
    });
  }
  // Converters before tfjs 1.0 wrote no format.
  if (json.format !== undefined && json.format !== MODEL_FORMAT) {
    throw expect(`format "${MODEL_FORMAT}"`, json.format);
  }
  if (!isObject(json.modelTopology)) throw expect('an object modelTopology', json.modelTopology);
  try {
    checkTopology(json.modelTopology);
  } catch (cause) {
    throw new ModelError(`${(cause as Error).message.replace(/\.$/, '')} (${path}).`, { cause });
  }
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
    metadata:
      userDefined.img2features === undefined
        ? undefined
        : parseMetadata(userDefined.img2features, path),
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

/** Name, shape and dtype of one weight; this project computes in float32 only. */
function parseWeight(weight: unknown, path: string): WeightSpec {
  const { name, shape, dtype, quantization } = (isObject(weight) ? weight : {}) as Record<
    string,
    unknown
  >;
  if (typeof name !== 'string' || !isShape(shape)) {
    throw new ModelError(
      `Expected a name and a shape for each weight in ${path} but found ${show(weight)}.`,
    );
  }
  if (quantization !== undefined || dtype !== 'float32') {
    const found = quantization === undefined ? show(dtype) : 'quantized values';
    throw new ModelError(`Expected float32 for weight ${name} in ${path} but found ${found}.`, {
      fix: 'Convert the Keras file again without quantization.',
    });
  }
  return { name, shape, dtype };
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
