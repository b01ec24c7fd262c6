import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ModelError } from '../errors.ts';
import { MAX_JSON_BYTES } from '../json.ts';
import type { KerasFile } from './conversion-plan.ts';
import { findModelFile } from './file-type.ts';
import { H5File } from './h5/h5-file.ts';
import type { H5Dataset, H5Group } from './h5/h5-inventory.ts';
import { unpackKerasArchive } from './keras-archive.ts';
import { damaged, type JsonObject, parseJsonObject, parseKerasObject } from './keras-json.ts';
import { openTfjsModel } from './open-tfjs-model.ts';
import { hasLayerGroups, openLayerGroups } from './weights/layer-group-store.ts';
import { readWeight } from './weights/read-weight.ts';
import { hasVariableTree, openVariableTree } from './weights/variable-tree-store.ts';

export interface OpenOptions {
  /** An existing folder for what must be unpacked. */
  readonly tempParent: string;
  readonly readTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Opens any file that Keras or tfjs has written, or a folder with one; the content says which kind it is.
 * @throws ModelError
 */
export async function openKerasFile(given: string, options: OpenOptions): Promise<KerasFile> {
  const { path, type } = await findModelFile(given);
  if (type === 'json') return openJson(path, options);
  return type === 'zip' ? openArchive(path, options) : openHdf5(path, options);
}

async function openJson(path: string, options: OpenOptions): Promise<KerasFile> {
  const json = await readJsonObject(path);
  if (json.modelTopology !== undefined || json.format !== undefined) {
    return openTfjsModel(json, path);
  }
  const model = parseKerasObject(json, path);
  const weights = await findModelFile(await weightsBeside(path));
  const file = await openHdf5(weights.path, options);
  // Keras 3 leaves its version out of model.to_json(); in a .keras file it is in metadata.json.
  const kerasVersion = typeof json.keras_version === 'string' ? json.keras_version : '3';
  return { ...file, format: `${basename(path)} and ${file.format}`, model, kerasVersion };
}

/** The HDF5 file with the weights of a model whose description is in a JSON file: the only one, or the one of its name. */
async function weightsBeside(path: string): Promise<string> {
  const dir = dirname(path);
  const files = (await readdir(dir)).filter((name) => /\.(h5|hdf5)$/i.test(name));
  const stem = basename(path).replace(/\.json$/i, '');
  const named = files.filter((name) => name.replace(/[._]?(weights?)?\.(h5|hdf5)$/i, '') === stem);
  const [found] = files.length === 1 ? files : named;
  const count = files.length === 1 ? 1 : named.length;
  if (count === 1) return join(dir, found);
  throw new ModelError(
    `Expected one file of weights (.h5) beside ${path} but found ${files.join(', ') || 'none'}.`,
    { fix: `Put the weights there under the name ${stem}.h5.` },
  );
}

async function readJsonObject(path: string): Promise<JsonObject> {
  const { size } = await stat(path);
  if (size > MAX_JSON_BYTES) throw damaged(`at most ${MAX_JSON_BYTES} bytes in ${path}`, `${size}`);
  return parseJsonObject(await readFile(path, 'utf8'), path);
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
      origin: { kind: 'keras', path },
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
      origin: { kind: 'keras', path },
      readWeight: (weight) => readWeight(h5, weight),
      close: () => h5.close(),
    };
  } catch (error) {
    await h5.close();
    throw error;
  }
}

function describe(root: H5Group, path: string): Omit<KerasFile, 'origin' | 'readWeight' | 'close'> {
  const config = root.attributes.model_config;
  const inner = root.groups.model_weights;
  const holder = inner ?? root;
  expectTensorFlowKernels(root.attributes.backend ?? holder.attributes.backend, path);
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
  const generation = /^[13]\./.test(kerasVersion) ? `Keras ${kerasVersion[0]}` : 'Keras 2';
  const isTree = !hasLayerGroups(holder);
  if (config === undefined) {
    const format = isTree ? '.weights.h5' : 'weights .h5';
    return { format, weights, model: undefined, kerasVersion };
  }
  const json = parseJsonObject(textOf(config), `model_config of ${path}`);
  const model = parseKerasObject(json, `model_config of ${path}`);
  return { format: `${generation} model .h5`, weights, model, kerasVersion };
}

/** Theano convolves, TensorFlow and CNTK correlate: the same numbers mean kernels turned by 180 degrees. */
function expectTensorFlowKernels(backend: string | readonly string[] | undefined, path: string) {
  if (textOf(backend) !== 'theano') return;
  throw new ModelError(
    `Expected weights of Keras on TensorFlow in ${path} but found those of Keras on Theano, whose kernels are turned by 180 degrees.`,
    {
      fix: 'Load the file with Keras 2.2 or 2.3 on TensorFlow, which turns them, and save it again.',
    },
  );
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
