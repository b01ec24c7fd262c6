/** model.json of a folder that can be used as it is; what is ours in it. */
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
import { convertFirst } from './foreign-model.ts';
import type { ModelMetadata, WeightSpec } from './model-folder.ts';
import {
  isObject,
  isShape,
  parseTfjsJson,
  type StoredSpec,
  type TfjsJson,
  type WeightGroup,
} from './tfjs-json.ts';
import { firstScaling, isGray } from './topology-layers.ts';

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

function parseObject(text: string, path: string): Record<string, unknown> {
  const fix = 'The file is damaged: make the model folder again.';
  const value = parseJson(text, { name: path, error: ModelError, fix });
  if (isObject(value)) return value;
  throw new ModelError(`Expected a JSON object in ${path} but found ${show(value)}.`);
}
