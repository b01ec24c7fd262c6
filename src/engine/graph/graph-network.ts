import { EngineError, errnoOf } from '../../errors.ts';
import type { ModelFolder } from '../../model/model-folder.ts';
import type { TfNode } from '../../runtime/tensorflow-js.ts';
import { AlignedArena } from '../aligned-arena.ts';
import type { ConvolutionKind, EngineOutput } from '../engine.ts';
import type { Network } from '../network.ts';
import { OutOfMemory, saysOutOfMemory } from '../out-of-memory.ts';
import type { ResolvedLayer } from '../resolve-layers.ts';
import { runInSlices, timed } from '../run-in-slices.ts';
import { buildGraph, type GraphOptions, type NetworkGraph } from './build-graph.ts';
import { ensureGraph, graphKey, graphsDir, removeGraph } from './graph-cache.ts';
import { INPUT_NODE, packedLength } from './pixel-input.ts';
import { savedModel } from './tensorflow-protos.ts';
import { writeSavedModel } from './write-saved-model.ts';

/** Goes up whenever the same inputs give another SavedModel; those of 1 were kept under a hash that was only stated. */
const WRITER_VERSION = 2;

/** What is used of tfjs-node's addon (tfjs_binding.d.ts); its `tf.node` would parse the graph again. */
interface Binding {
  readonly TF_INT32: number;
  createTensor(shape: number[], dtype: number, values: Int32Array): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Float32Array;
  loadSavedModel(dir: string, tags: string): number;
  deleteSavedModel(id: number): void;
  runSavedModel(id: number, inputs: number[], from: string, to: string): { id: number }[];
  getNumOfTensors(): number;
}

export interface GraphNetworkOptions extends GraphOptions {
  readonly library: string;
  /** Largest batch that runs at once; larger ones run in slices. */
  readonly sliceImages: number;
}

/**
 * Loads the network, cut at the requested layers, as one TensorFlow graph. The graph is made once
 * and kept in the cache folder.
 * @throws UnsupportedGraph when it holds what the graph cannot express
 * @throws OptionError | ModelError; EngineError when TensorFlow refuses the graph, or it cannot be kept; OutOfMemory
 */
export async function loadGraphNetwork(
  tf: TfNode,
  folder: ModelFolder,
  requests: readonly ResolvedLayer[],
  options: GraphNetworkOptions,
): Promise<Network> {
  const graph = buildGraph(folder, requests, options);
  const binding = (tf.backend() as unknown as { binding: Binding }).binding;
  const id = await load(binding, graph, folder);
  const network = new GraphNetwork(binding, id, graph, folder.metadata.inputSize, options);
  const isHalf = options.precision === 'fp16' || options.precision === 'bf16';
  try {
    if (isHalf || options.device === 'cuda') probe(network, folder, options);
  } catch (error) {
    binding.deleteSavedModel(id);
    throw error;
  }
  return network;
}

/** Runs one image: only then TensorFlow reports that a device has no kernel for a type. */
function probe(network: Network, folder: ModelFolder, { precision, device }: GraphOptions): void {
  const [height, width] = folder.metadata.inputSize;
  try {
    const features = network.outputs.map(({ length }) => new Float32Array(length));
    network.run(new Uint8Array(height * width * 3), 1, features);
  } catch (cause) {
    throw engineError(`Expected ${device} to compute in ${precision}`, cause, {
      fix:
        precision === 'fp32'
          ? 'Run `img2features doctor`; --device cpu runs without the GPU.'
          : 'Use --precision fp32.',
    });
  }
}

/** The same failure as an error of ours: where memory ran out, one that says so. */
function engineError(expected: string, cause: unknown, { fix }: { fix: string }): EngineError {
  const found = `${expected} but found: ${messageOf(cause)}`;
  return saysOutOfMemory(found)
    ? new OutOfMemory(found, { fix: 'Free memory of the device: one image does not fit.', cause })
    : new EngineError(found, { fix, cause });
}

async function load(binding: Binding, graph: NetworkGraph, folder: ModelFolder): Promise<number> {
  const { weightsSha256 } = folder.metadata;
  const model = savedModel(graph.nodes, graph.saver);
  // The graph's own bytes represent the topology, the layers, the preprocessing and the precision.
  const key = graphKey([WRITER_VERSION, weightsSha256, graph.variables], model);
  const make = async () => {
    try {
      return await ensureGraph(graphsDir(), key, (temp) =>
        writeSavedModel(temp, model, graph.variables, folder),
      );
    } catch (cause) {
      if (errnoOf(cause) === undefined) throw cause;
      throw new EngineError(
        `Expected room in the cache for the graph of ${folder.dir} but found: ${messageOf(cause)}`,
        { fix: 'Name another folder in IMG2FEATURES_CACHE, or use --engine eager.', cause },
      );
    }
  };
  const made = await make();
  try {
    return binding.loadSavedModel(made, 'serve');
  } catch (error) {
    // Its sizes are right, but TensorFlow found a wrong checksum.
    if (!saysOutOfMemory(messageOf(error))) removeGraph(made);
  }
  const again = await make();
  try {
    return binding.loadSavedModel(again, 'serve');
  } catch (cause) {
    throw engineError(`Expected TensorFlow to load the graph of ${folder.dir}`, cause, {
      fix: 'Use --engine eager.',
    });
  }
}

class GraphNetwork implements Network {
  readonly library: string;
  readonly outputs: readonly EngineOutput[];
  readonly conv: ConvolutionKind;
  readonly #binding: Binding;
  readonly #id: number;
  readonly #outputNames: string;
  readonly #sliceImages: number;
  readonly #packedLength: number;
  /** Tensors that the session holds. */
  readonly #variableCount: number;
  /** Packed pixels of a slice, reused: TensorFlow uses the memory while it runs. */
  #input = new Int32Array(0);

  constructor(
    binding: Binding,
    id: number,
    { outputs, outputNodes, variables, conv }: NetworkGraph,
    inputSize: readonly [height: number, width: number],
    { library, sliceImages }: GraphNetworkOptions,
  ) {
    this.library = library;
    this.outputs = outputs;
    this.conv = conv;
    this.#binding = binding;
    this.#id = id;
    this.#outputNames = outputNodes.map((name) => `${name}:0`).join(',');
    this.#sliceImages = sliceImages;
    this.#packedLength = packedLength(inputSize);
    this.#variableCount = variables.length;
  }

  run(pixels: Uint8Array, n: number, features: readonly Float32Array[]): number {
    return runInSlices(pixels, n, features, this.#sliceImages, (slice, images, part) => {
      const input = this.#pack(slice, images);
      return timed(part, () => this.#runSlice(input, images));
    });
  }

  numTensors(): number {
    return this.#binding.getNumOfTensors() + this.#variableCount;
  }

  #runSlice(input: Int32Array, n: number): Float32Array[] {
    const binding = this.#binding;
    const shape = [n, this.#packedLength];
    const pixels = binding.createTensor(shape, binding.TF_INT32, input);
    try {
      const results = binding.runSavedModel(
        this.#id,
        [pixels],
        `${INPUT_NODE}:0`,
        this.#outputNames,
      );
      const values = results.map(({ id }) => binding.tensorDataSync(id));
      for (const { id } of results) binding.deleteTensor(id);
      return values;
    } finally {
      binding.deleteTensor(pixels);
    }
  }

  /** Each image's bytes at a whole number of int32 values: mostly as they are. */
  #pack(pixels: Uint8Array, n: number): Int32Array {
    const length = n * this.#packedLength;
    if (pixels.byteLength === 4 * length && pixels.byteOffset % 4 === 0) {
      return new Int32Array(pixels.buffer, pixels.byteOffset, length);
    }
    if (this.#input.length < length) {
      const bytes = new AlignedArena(length * 4).allocate(length * 4);
      this.#input = new Int32Array(bytes.buffer, bytes.byteOffset, length);
    }
    const input = this.#input.subarray(0, length);
    const bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    const imageBytes = pixels.length / n;
    for (let i = 0; i < n; i++) {
      const image = pixels.subarray(i * imageBytes, (i + 1) * imageBytes);
      bytes.set(image, i * this.#packedLength * 4);
    }
    return input;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
