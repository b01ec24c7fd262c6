import { stat } from 'node:fs/promises';
import { ModelError } from '../errors.ts';
import { detectFileType } from './file-type.ts';
import { H5File } from './h5/h5-file.ts';
import type { H5Dataset, H5Group } from './h5/h5-inventory.ts';
import { unpackKerasArchive } from './keras-archive.ts';
import { damaged, type KerasObject, parseJsonObject, parseKerasObject } from './keras-json.ts';
import { hasLayerGroups, openLayerGroups } from './weights/layer-group-store.ts';
import { readWeight } from './weights/read-weight.ts';
import type { StoredWeight, WeightStore } from './weights/stored-layer.ts';
import { hasVariableTree, openVariableTree } from './weights/variable-tree-store.ts';

export interface KerasFile {
  /** For people and model.json: which of Keras' layouts it is. */
  readonly format: string;
  readonly weights: WeightStore;
  /** The model's own description; undefined in a file of weights alone. */
  readonly model: KerasObject | undefined;
  /** As the file says; "" where it does not. */
  readonly kerasVersion: string;
  /** Little-endian float32 values of one of its weights, some MiB at a time. */
  readWeight(weight: StoredWeight): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** An existing folder for what must be unpacked. */
  readonly tempParent: string;
  readonly readTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Opens any file that Keras has written; its content says which kind it is.
 * @throws ModelError
 */
export async function openKerasFile(path: string, options: OpenOptions): Promise<KerasFile> {
  return (await detectFileType(path)) === 'zip'
    ? openArchive(path, options)
    : openHdf5(path, options);
}

async function openArchive(path: string, options: OpenOptions): Promise<KerasFile> {
  const archive = await unpackKerasArchive(path, options.tempParent, options.signal);
  try {
    const model = parseKerasObject(archive.config, 'config.json');
    const h5 = await openH5(archive.weightsPath, path, options);
    // Open files need no name, except on Windows: a killed conversion leaves nothing behind.
    if (process.platform !== 'win32') await archive.remove();
    return {
      format: '.keras',
      weights: openVariableTree(h5.root),
      model,
      kerasVersion: String(archive.metadata.keras_version ?? ''),
      readWeight: (weight) => readWeight(h5, weight),
      close: async () => {
        await h5.close();
        await archive.remove();
      },
    };
  } catch (error) {
    await archive.remove();
    throw error;
  }
}

async function openHdf5(path: string, options: OpenOptions): Promise<KerasFile> {
  const h5 = await openH5(path, path, options);
  try {
    return {
      ...describe(h5.root, path),
      readWeight: (weight) => readWeight(h5, weight),
      close: () => h5.close(),
    };
  } catch (error) {
    await h5.close();
    throw error;
  }
}

function describe(root: H5Group, path: string): Omit<KerasFile, 'readWeight' | 'close'> {
  const config = root.attributes.model_config;
  const inner = root.groups.model_weights;
  const holder = inner ?? root;
  const kerasVersion = textOf(root.attributes.keras_version ?? holder.attributes.keras_version);
  const weights = hasLayerGroups(holder)
    ? openLayerGroups(holder, inner === undefined ? '' : '/model_weights')
    : hasVariableTree(root)
      ? openVariableTree(root)
      : undefined;
  if (weights === undefined) {
    const names = [...Object.keys(root.groups), ...Object.keys(root.datasets)].slice(0, 3);
    throw new ModelError(
      `Expected Keras weights in ${path} but found an HDF5 file with ${names.join(', ') || 'nothing'} in it.`,
      { fix: 'Give a file that Keras saved: model.save(…) or model.save_weights(…).' },
    );
  }
  const generation = kerasVersion.startsWith('3') ? 'Keras 3' : 'Keras 2';
  const isTree = !hasLayerGroups(holder);
  if (config === undefined) {
    const format = isTree ? '.weights.h5' : 'weights .h5';
    return { format, weights, model: undefined, kerasVersion };
  }
  const json = parseJsonObject(textOf(config), `model_config of ${path}`);
  const model = parseKerasObject(json, `model_config of ${path}`);
  return { format: `${generation} model .h5`, weights, model, kerasVersion };
}

async function openH5(path: string, label: string, options: OpenOptions): Promise<H5File> {
  const { readTimeoutMs } = options;
  const h5 = await H5File.open(path, {
    label,
    ...(readTimeoutMs !== undefined && { timeoutMs: readTimeoutMs }),
  });
  try {
    checkDeclaredBytes(h5.root, (await stat(path)).size, label);
    return h5;
  } catch (error) {
    await h5.close();
    throw error;
  }
}

/** Compressed weights shrink little; a zip bomb shrinks a thousandfold. */
const MAX_RATIO = 100;
const SMALL_BYTES = 64 * 1024 * 1024;
const MAX_CHUNK_BYTES = 256 * 1024 * 1024;

/** A damaged or malicious header can declare any shape: what is not packed must fit the file. */
function checkDeclaredBytes(root: H5Group, fileBytes: number, label: string): void {
  let plain = 0;
  let packed = 0;
  const add = (dataset: H5Dataset) => {
    const bytes = dataset.shape.reduce((a, b) => a * b, dataset.itemBytes);
    if (dataset.chunks === null) plain += bytes;
    else packed += bytes;
    // HDF5 unpacks whole chunks in memory.
    const chunkBytes = (dataset.chunks ?? []).reduce((a, b) => a * b, dataset.itemBytes);
    if (chunkBytes > MAX_CHUNK_BYTES) {
      throw damaged(`chunks of at most ${MAX_CHUNK_BYTES} bytes in ${label}`, `${chunkBytes}`);
    }
  };
  const visit = (group: H5Group): void => {
    for (const dataset of Object.values(group.datasets)) add(dataset);
    for (const inner of Object.values(group.groups)) visit(inner);
  };
  visit(root);
  if (!(plain <= fileBytes && packed <= Math.max(SMALL_BYTES, MAX_RATIO * fileBytes))) {
    throw damaged(`weights within ${fileBytes} bytes of ${label}`, `${plain + packed} declared`);
  }
}

function textOf(value: string | readonly string[] | undefined): string {
  return typeof value === 'string' ? value : (value?.[0] ?? '');
}
