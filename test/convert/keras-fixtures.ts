import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, inflateSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs';
import h5wasm from 'h5wasm/node';
import { createPreprocess } from '../../src/engine/preprocess.ts';
import type { ModelFolder } from '../../src/model/model-folder.ts';
import { isGray } from '../../src/model/topology-layers.ts';
import type { Preprocessing } from '../../src/options/preprocessing.ts';
import { addKerasLayers } from '../../src/runtime/tfjs-layers.ts';

/** What test/fixtures/make-keras-fixtures.py writes: models as files, and Keras' own outputs. */
export interface KerasFixture {
  readonly preprocessing: Preprocessing;
  readonly side: number;
  /** Largest error, of the largest value, where Keras computed in half precision. */
  readonly tolerance?: number;
  /** Two uint8 RGB images, zlib, base64. */
  readonly images: string;
  /** File suffix → which Keras wrote it. */
  readonly files: Readonly<Record<string, 'keras1' | 'keras2' | 'keras3'>>;
  /** Layer → float32 values, zlib, base64; by which Keras computed them. */
  readonly outputs: Readonly<
    Record<string, Readonly<Record<string, { shape: number[]; values: string }>>>
  >;
}

const folder = new URL('../fixtures/keras/', import.meta.url);

export const FIXTURES: Readonly<Record<string, KerasFixture>> = JSON.parse(
  readFileSync(new URL('fixtures.json', folder), 'utf8'),
);

/** The bytes of one fixture, e.g. "vgg16.keras3.keras". */
export async function fixtureBytes(name: string): Promise<Buffer> {
  return gunzipSync(await readFile(new URL(`${name}.gz`, folder)));
}

/** A folder for one test file's models; `remove` at the end. */
export async function workFolder(): Promise<{
  dir: string;
  put(name: string, bytes: Uint8Array): Promise<string>;
  remove(): Promise<void>;
}> {
  // Each conversion reads in a thread of its own: threads share HDF5's compiled code while one keeps it.
  await h5wasm.ready;
  const dir = await mkdtemp(join(tmpdir(), 'img2features-convert-'));
  return {
    dir,
    async put(name, bytes) {
      await writeFile(join(dir, name), bytes);
      return join(dir, name);
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/**
 * Runs a converted folder in stock tfjs, with the layers that this project adds, on its CPU backend.
 * @param layers names of layers, or output_<i> for the model's own outputs
 */
export async function predict(
  model: ModelFolder,
  fixture: KerasFixture,
  layers: readonly string[],
): Promise<Map<string, { shape: number[]; values: Float32Array }>> {
  tf.enableProdMode();
  addKerasLayers(tf);
  await tf.setBackend('cpu');
  const weightData = Buffer.concat(
    await Promise.all(model.shardPaths.map((path) => readFile(path))),
  );
  const network = await tf.loadLayersModel({
    load: async () => ({
      modelTopology: structuredClone(model.topology),
      weightSpecs: model.weights.map((spec) => ({ ...spec, shape: [...spec.shape] })),
      weightData: new Uint8Array(weightData).buffer,
    }),
  });
  const outputs = layers.map((layer) =>
    layer.startsWith('output_')
      ? network.outputs[Number(layer.slice('output_'.length))]!
      : (network.getLayer(layer).output as tf.SymbolicTensor),
  );
  const probe = tf.model({ inputs: network.inputs, outputs });
  const pixels = inflateSync(Buffer.from(fixture.images, 'base64'));
  const gray = isGray(model.topology);
  const input = new Float32Array(gray ? pixels.length / 3 : pixels.length);
  createPreprocess(model.metadata.preprocessing, gray)(pixels, input);
  const [height, width] = model.metadata.inputSize;
  const found = probe.predict(tf.tensor4d(input, [2, height, width, gray ? 1 : 3]));
  const tensors = Array.isArray(found) ? found : [found];
  const results = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [i, layer] of layers.entries()) {
    const values = (await tensors[i]!.data()) as Float32Array;
    results.set(layer, { shape: tensors[i]!.shape, values });
  }
  tf.dispose([tensors, network.weights.map((weight) => weight.read())]);
  return results;
}

export function floats(packed: string): Float32Array {
  return new Float32Array(new Uint8Array(inflateSync(Buffer.from(packed, 'base64'))).buffer);
}

/** The project's promise: |a − b| ≤ 1e-4 · max|b| and cosine ≥ 0.999999. */
export function agreement(a: Float32Array, b: Float32Array): { error: number; cosine: number } {
  if (a.length !== b.length) return { error: Number.POSITIVE_INFINITY, cosine: 0 };
  let largest = 0;
  let difference = 0;
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(b[i]!));
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return { error: difference / largest, cosine: dot / Math.sqrt(aa * bb) };
}
