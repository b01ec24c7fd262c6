import { open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModelError } from '../errors.ts';
import type { Shard } from '../model/check-weights.ts';
import { findShards } from '../model/read-model-folder.ts';
import { parseTfjsJson, type StoredSpec, storedBytes } from '../model/tfjs-json.ts';
import { modelConfigOf } from '../model/topology-layers.ts';
import type { KerasFile } from './conversion-plan.ts';
import type { H5Dataset, H5Group } from './h5/h5-inventory.ts';
import { type JsonObject, parseKerasObject } from './keras-json.ts';
import { findOwned, type OwnedWeight } from './weights/layer-group-store.ts';
import { halfToNumber, SLICE_BYTES } from './weights/read-weight.ts';
import type { WeightStore } from './weights/stored-layer.ts';
import { hasVariableTree, openVariableTree } from './weights/variable-tree-store.ts';

/** A weight and the place of its first byte in all shards, one after the other. */
interface Place {
  readonly spec: StoredSpec;
  readonly start: number;
}

/**
 * A tfjs layers model of another tool: model.json and its weight shards, which may be quantized.
 * @param json the content of model.json
 * @throws ModelError
 */
export async function openTfjsModel(json: JsonObject, path: string): Promise<KerasFile> {
  const { topology, groups, writtenBy, ownMetadata } = parseTfjsJson(json, path);
  if (ownMetadata !== undefined) {
    throw new ModelError(
      `Expected a model that another tool wrote in ${path} but found one of img2features.`,
      { fix: `It needs no conversion: give --model ${dirname(path)}.` },
    );
  }
  const shards = await findShards(dirname(path), groups);
  const places = new Map<string, Place>();
  let end = 0;
  for (const spec of groups.flatMap(({ weights }) => weights)) {
    places.set(spec.name, { spec, start: end });
    end += storedBytes(spec);
  }
  const { keras_version: version } = topology;
  const isTeachable = await isTeachableMachine(path);
  return {
    format: 'tfjs layers model',
    origin: { kind: 'tfjs', by: writtenBy },
    model: parseKerasObject(modelConfigOf(topology), path),
    kerasVersion: typeof version === 'string' ? version : '',
    weights: openStore([...places.values()].map(({ spec }) => spec)),
    notes: [
      ...quantizationNotes([...places.values()]),
      ...(isTeachable ? ['recognised a model of Teachable Machine: preprocessing tf'] : []),
    ],
    ...(isTeachable && { preprocessing: 'tf' }),
    readWeight: ({ path: name }) => readValues(shards, places.get(name.replace(/^\//, ''))!),
    close: async () => {},
  };
}

/**
 * Names are "<layer>/<weight>", perhaps with models around the layer; of .keras files the converter keeps the paths
 * that the weights had there ("layers/conv2d/vars/0").
 */
function openStore(specs: readonly StoredSpec[]): WeightStore {
  const weights = specs.map(({ name, shape, dtype, quantization }): OwnedWeight => {
    const owners = name.split('/');
    const isFloat = quantization !== undefined || dtype === 'float32';
    const type = isFloat ? 'float32' : 'other';
    return {
      path: name,
      name: owners.pop()!,
      owners,
      dataset: { shape, dtype: type, itemBytes: 4, chunks: null },
    };
  });
  const tree = groupTree(weights);
  return hasVariableTree(tree)
    ? openVariableTree(tree)
    : { layers: [], find: ({ names }) => findOwned(weights, names) };
}

function groupTree(weights: readonly OwnedWeight[]): H5Group {
  interface Group extends H5Group {
    readonly groups: Record<string, Group>;
    readonly datasets: Record<string, H5Dataset>;
  }
  const empty = (): Group => ({
    attributes: {},
    groups: Object.create(null),
    datasets: Object.create(null),
  });
  const root = empty();
  for (const { owners, name, dataset } of weights) {
    let group = root;
    for (const owner of owners) group = group.groups[owner] ??= empty();
    group.datasets[name] = dataset;
  }
  return root;
}

function quantizationNotes(places: readonly Place[]): string[] {
  const types = places.flatMap(({ spec }) => spec.quantization?.dtype ?? []);
  if (types.length === 0) return [];
  return [
    `${types.length} of ${places.length} weights are quantized (${[...new Set(types)].join(', ')}): the features are those of the rounded weights`,
  ];
}

/** What Teachable Machine writes beside its image models, which all take pixels in [-1, 1]. */
async function isTeachableMachine(path: string): Promise<boolean> {
  const text = await readFile(join(dirname(path), 'metadata.json'), 'utf8').catch(() => '');
  return /"packageName"\s*:\s*"@teachablemachine\/image"/.test(text);
}

async function* readValues(
  shards: readonly Shard[],
  { spec, start }: Place,
): AsyncGenerator<Uint8Array> {
  const end = start + storedBytes(spec);
  for (let at = start; at < end; at += SLICE_BYTES) {
    const bytes = await readSpan(shards, at, Math.min(SLICE_BYTES, end - at));
    yield toFloat32(bytes, spec);
  }
}

/** As tfjs does: value · scale + min, computed in double and rounded once. */
function toFloat32(bytes: Uint8Array, { quantization }: StoredSpec): Uint8Array {
  if (quantization === undefined) return bytes;
  const { dtype, scale, min } = quantization;
  const stored = dtype === 'uint8' ? bytes : new Uint16Array(bytes.buffer);
  const values =
    scale === undefined
      ? Float32Array.from(stored, halfToNumber)
      : Float32Array.from(stored, (value) => value * scale + min!);
  return new Uint8Array(values.buffer);
}

/** Bytes from `start`, counted over all shards. */
async function readSpan(
  shards: readonly Shard[],
  start: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let before = 0;
  for (const { path, stats } of shards) {
    const size = Number(stats.size);
    const from = Math.max(start, before);
    const to = Math.min(start + length, before + size);
    if (from < to) {
      const target = bytes.subarray(from - start, to - start);
      await readFully(path, from - before, target);
    }
    before += size;
  }
  return bytes;
}

async function readFully(path: string, position: number, target: Uint8Array): Promise<void> {
  const file = await open(path, 'r');
  try {
    for (let filled = 0; filled < target.length; ) {
      const { bytesRead } = await file.read(
        target,
        filled,
        target.length - filled,
        position + filled,
      );
      if (bytesRead === 0)
        throw new ModelError(`Expected more bytes in ${path} but found its end.`);
      filled += bytesRead;
    }
  } finally {
    await file.close();
  }
}
