import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { ModelError } from '../errors.ts';
import { damaged, type KerasObject, parseJsonObject, parseKerasObject } from './keras-json.ts';
import type { LayerAddress, WeightStore } from './weights/stored-layer.ts';

/** A network of keras.applications as Keras 2 describes it, for files that hold its weights alone. */
export interface NetworkTopology {
  readonly model: KerasObject;
  /** Its layers with weights, in Keras' order. */
  readonly weighted: readonly string[];
}

/** One line a network; made by scripts/make-network-topologies.py. */
const FILE = fileURLToPath(new URL('../../models/keras-applications.jsonl.br', import.meta.url));

/** @throws ModelError */
export async function readTopology(name: string): Promise<NetworkTopology> {
  const lines = (await promisify(brotliDecompress)(await readPacked()))
    .toString('utf8')
    .split('\n');
  const line = lines.find((it) => it.startsWith(`{"name":${JSON.stringify(name)},`));
  if (line === undefined)
    throw new ModelError(`Expected a network ${name} in ${FILE} but found none.`);
  const { model, weighted } = parseJsonObject(line, name);
  return { model: parseKerasObject(model, name), weighted: weighted as string[] };
}

async function readPacked(): Promise<Buffer> {
  try {
    return await readFile(FILE);
  } catch (cause) {
    throw new ModelError(`Expected the networks of Keras in ${FILE} but found none.`, {
      fix: 'Install the package again: this file is part of it.',
      cause,
    });
  }
}

/**
 * The weights of a file under the names of a network's layers: by order, as Keras loads such files, whose names can be those
 * of an older Keras or count the layers of a whole session ("conv2d_95").
 * @throws ModelError when the file has more or fewer layers
 */
export function weightsInOrder(
  store: WeightStore,
  weighted: readonly string[],
  file: string,
): WeightStore {
  const { layers } = store;
  if (layers.length !== weighted.length) {
    throw damaged(`${weighted.length} layers with weights in ${file}`, `${layers.length}`);
  }
  const stored = new Map(weighted.map((name, i) => [name, layers[i].name]));
  const find = (address: LayerAddress) => {
    const [name, ...inside] = address.names;
    const named = stored.get(name);
    return named === undefined ? undefined : store.find({ ...address, names: [named, ...inside] });
  };
  return { layers, find };
}
