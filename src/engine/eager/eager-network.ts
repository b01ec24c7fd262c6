import type * as Tfjs from '@tensorflow/tfjs';
import { ModelError } from '../../errors.ts';
import { shapeSize } from '../../model/count-values.ts';
import { convertFirst } from '../../model/foreign-model.ts';
import type { ModelFolder } from '../../model/model-folder.ts';
import { isGray } from '../../model/topology-layers.ts';
import { AlignedArena } from '../aligned-arena.ts';
import { describeOutput } from '../describe-output.ts';
import type { EngineOutput } from '../engine.ts';
import type { Network } from '../network.ts';
import { createPreprocess, type Preprocess } from '../preprocess.ts';
import { pruneTopology } from '../prune-topology.ts';
import type { ResolvedLayer } from '../resolve-layers.ts';
import { runInSlices, timed } from '../run-in-slices.ts';
import type { EagerBackend, TfNamespace } from './eager-backend.ts';
import { loadWeights } from './load-weights.ts';

/**
 * Loads the model, cut at the requested layers, as a tfjs layers model: each layer is one call of
 * the backend ("eager").
 * @throws ModelError | OptionError
 */
export async function loadEagerNetwork(
  backend: EagerBackend,
  folder: ModelFolder,
  requests: readonly ResolvedLayer[],
): Promise<Network> {
  // One layer may be asked for with several poolings; it is computed once.
  const layers = [...new Set(requests.map(({ layer }) => layer))];
  const model = await buildModel(backend, folder, layers);
  checkInput(model, folder);
  const outputs = requests.map((request) =>
    describeOutput(request, model.outputs[layers.indexOf(request.layer)].shape),
  );
  loadWeights(backend.tf, model, folder, backend.borrows);
  return new EagerNetwork(backend, model, layers, outputs, folder);
}

class EagerNetwork implements Network {
  readonly conv = 'direct';
  readonly library: string;
  readonly outputs: readonly EngineOutput[];
  readonly #tf: TfNamespace;
  readonly #model: Tfjs.LayersModel;
  /** Names of the layers that the model returns, in its order. */
  readonly #layers: readonly string[];
  readonly #preprocess: Preprocess;
  readonly #imageShape: readonly [height: number, width: number, channels: number];
  readonly #sliceImages: number;
  /** The network's input, reused: the backend is done with it when a batch ends. */
  #input = new Float32Array(0);

  constructor(
    backend: EagerBackend,
    model: Tfjs.LayersModel,
    layers: readonly string[],
    outputs: readonly EngineOutput[],
    folder: ModelFolder,
  ) {
    this.library = backend.library;
    this.outputs = outputs;
    this.#tf = backend.tf;
    this.#model = model;
    this.#layers = layers;
    this.#preprocess = createPreprocess(folder.metadata.preprocessing, isGray(folder.topology));
    this.#imageShape = imageShapeOf(folder);
    this.#sliceImages = backend.sliceImages;
  }

  run(pixels: Uint8Array, n: number, features: readonly Float32Array[]): number {
    return runInSlices(pixels, n, features, this.#sliceImages, (slice, images, part) => {
      const input = this.#inputOf(images * shapeSize(this.#imageShape));
      this.#preprocess(slice, input);
      return timed(part, () => this.#predict(input, images));
    });
  }

  numTensors(): number {
    return this.#tf.memory().numTensors;
  }

  /** @returns [n, length] for each output. */
  #predict(input: Float32Array, n: number): Float32Array[] {
    const tf = this.#tf;
    const features = tf.tidy(() => {
      const x = tf.tensor4d(input, [n, ...this.#imageShape]);
      // predictOnBatch frees each layer's output once nothing needs it; apply would keep them all.
      const values = [this.#model.predictOnBatch(x)].flat();
      return this.outputs.map((output) =>
        this.#readOut(values[this.#layers.indexOf(output.layer)], n, output),
      );
    });
    const values = features.map((tensor) => tensor.dataSync<'float32'>());
    tf.dispose(features);
    return values;
  }

  /** Pools where asked, and flattens in NHWC order: [n, length]. */
  #readOut(layer: Tfjs.Tensor, n: number, { pool, length }: EngineOutput): Tfjs.Tensor {
    const tf = this.#tf;
    const pooled =
      pool === 'avg' ? tf.mean(layer, [1, 2]) : pool === 'max' ? tf.max(layer, [1, 2]) : layer;
    return tf.cast(tf.reshape(pooled, [n, length]), 'float32');
  }

  #inputOf(length: number): Float32Array {
    if (this.#input.length < length) {
      const bytes = new AlignedArena(length * 4).allocate(length * 4);
      this.#input = new Float32Array(bytes.buffer, bytes.byteOffset, length);
    }
    return this.#input.subarray(0, length);
  }
}

async function buildModel(
  { tf, buildsOn }: EagerBackend,
  folder: ModelFolder,
  layers: readonly string[],
): Promise<Tfjs.LayersModel> {
  const runsOn = tf.getBackend();
  if (buildsOn !== undefined) await tf.setBackend(buildsOn);
  try {
    const json = pruneTopology(folder.topology, layers, folder.metadata.inputSize);
    const whole = await tf.models.modelFromJSON(json as unknown as Tfjs.io.ModelJSON);
    return tf.model({
      inputs: whole.inputs,
      outputs: layers.map((layer) => outputOf(whole.getLayer(layer))),
    });
  } catch (cause) {
    throw new ModelError(
      `Expected a model that tfjs can build in ${folder.dir} but found: ${messageOf(cause)}`,
      {
        fix:
          folder.metadata.source.kind === 'tfjs'
            ? convertFirst(folder.dir)
            : 'Convert the model again, or choose an earlier layer.',
        cause,
      },
    );
  } finally {
    if (buildsOn !== undefined) await tf.setBackend(runsOn);
  }
}

/** Of its first call; of a model inside the first call by the model around it, which follows its own construction. */
function outputOf(layer: Tfjs.layers.Layer): Tfjs.SymbolicTensor {
  const isInner = 'layers' in layer;
  const node = isInner ? Math.min(1, layer.inboundNodes.length - 1) : 0;
  return layer.getOutputAt(node) as Tfjs.SymbolicTensor;
}

function checkInput(model: Tfjs.LayersModel, folder: ModelFolder): void {
  const expected = imageShapeOf(folder).join(', ');
  const found = model.inputs.map(({ shape }) => `[${shape.join(', ')}]`).join(' and ');
  if (found !== `[, ${expected}]`) {
    throw new ModelError(
      `Expected one input [n, ${expected}] for the model in ${folder.dir} but found ${found}.`,
      { fix: 'Use a model that takes one image, RGB or gray.' },
    );
  }
}

function imageShapeOf({ topology, metadata }: ModelFolder) {
  return [...metadata.inputSize, isGray(topology) ? 1 : 3] as const;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
