import type { LayerRow } from '../../model/architectures/keras-layers.ts';
import { poolingWindow } from '../../model/layer-attributes.ts';
import { type CallShape, inferCallShapes } from '../../model/layer-shapes.ts';
import type { ModelFolder } from '../../model/model-folder.ts';
import { batchShape, callKey, firstScaling, isGray } from '../../model/topology-layers.ts';
import type { Preprocessing } from '../../options/preprocessing.ts';
import type { Device } from '../../runtime/choose-device.ts';
import { describeOutput } from '../describe-output.ts';
import type { ConvolutionKind, EngineOutput, Precision } from '../engine.ts';
import { createPreprocess } from '../preprocess.ts';
import { pruneTopology } from '../prune-topology.ts';
import type { ResolvedLayer } from '../resolve-layers.ts';
import { GraphBuilder, type GraphVariable, type Value } from './graph-builder.ts';
import { addLayer, ruleOf } from './layer-nodes.ts';
import { addPixelInput } from './pixel-input.ts';
import { DEPTHWISE_OP, POINTWISE_OP } from './separable-nodes.ts';
import type { GraphNode, SaverNames } from './tensorflow-protos.ts';
import { UnsupportedGraph } from './unsupported-graph.ts';
import { type Norm, normOf } from './weight-source.ts';
import { WINOGRAD_OP } from './winograd-nodes.ts';

export interface NetworkGraph {
  readonly nodes: readonly GraphNode[];
  readonly variables: readonly GraphVariable[];
  readonly saver: SaverNames;
  readonly outputs: readonly EngineOutput[];
  /** Nodes that give the outputs: float32 [n, length]. */
  readonly outputNodes: readonly string[];
  /** Those of them that at least one convolution is computed by. */
  readonly conv: ConvolutionKind;
}

export interface GraphOptions {
  readonly precision: Precision;
  readonly device: Device;
  /** `winograd` allows our own operation for 3×3 convolutions, `fused` those for 1×1 and depthwise ones, too: CPU and fp32 only. */
  readonly conv: ConvolutionKind;
}

/**
 * Pixels reach ±128 where the preprocessing does not scale them, and VGG's activations then come near
 * the largest fp16 number. These networks are positively homogeneous: with the input and all that is
 * added divided by one number, so is every value. A power of two loses no digit.
 */
function halfScale(preprocessing: Preprocessing): number {
  const ends = new Float32Array(6);
  createPreprocess(preprocessing)(Uint8Array.of(0, 0, 0, 255, 255, 255), ends);
  return ends.some((value) => Math.abs(value) > 16) ? 64 : 1;
}

/**
 * The network, cut at the requested layers, as a TensorFlow graph from packed pixels to features.
 * @throws UnsupportedGraph when it holds a layer that has no rule here
 * @throws OptionError for a pooling that a layer does not have
 */
export function buildGraph(
  folder: Pick<ModelFolder, 'topology' | 'weights' | 'metadata'>,
  requests: readonly ResolvedLayer[],
  { precision, device, conv }: GraphOptions,
): NetworkGraph {
  const { preprocessing, inputSize } = folder.metadata;
  const wanted = [...new Set(requests.map(({ layer }) => layer))];
  const topology = pruneTopology(folder.topology, wanted, inputSize);
  const calls = shapedCalls(topology, wanted);
  checkWeights(folder, calls);
  const norms = foldedNorms(calls, new Set(wanted));
  const poolings = pairedPoolings(calls, new Set(wanted));
  const taken = new Set<string>();
  const scale = firstScaling(topology) === undefined ? halfScale(preprocessing) : 1;
  const builder = new GraphBuilder(precision, scale);
  const imageShape = [...inputSize, isGray(topology) ? 1 : 3] as const;
  const pixels = addPixelInput(builder, preprocessing, imageShape);
  // On a GPU TensorFlow runs a fused float32 convolution by transposing to NCHW and back.
  const addsUnfused = device === 'cuda' && builder.type === 'float';
  // Elsewhere 1×1 convolutions are large products, which TensorFlow's library is as fast at.
  const mayFuse = conv === 'fused' && calls.some(({ row }) => row.className === 'DepthwiseConv2D');
  const values = new Map<string, Value>();
  for (const [i, call] of calls.entries()) {
    const { row, inputShapes, outputShape } = call;
    const isFirst = call.inputs.length === 0;
    if (isFirst) checkInput(row, imageShape, values.size > 0);
    // A Sequential model has no InputLayer: its first layer takes the pixels.
    const inputs = isFirst ? [pixels] : call.inputs.map((from) => values.get(from)!);
    const passes = norms.folded.has(row.name) || taken.has(row.name);
    const pooling = poolings.get(row.name);
    const value = passes
      ? inputs[0]
      : addLayer({
          builder,
          row,
          name: `layer_${i}_${row.name.replaceAll(/[^A-Za-z0-9_.-]/g, '_')}`,
          inputs,
          inputShapes,
          outputShape,
          channels: [inputShapes[0].at(-1), outputShape.at(-1)] as [number, number],
          norm: norms.byConvolution.get(row.name),
          addsUnfused,
          mayUseWinograd: conv !== 'direct',
          mayFuse,
          takePooling: pooling === undefined ? undefined : () => taken.add(pooling),
        });
    values.set(call.key, value);
  }
  const shapes = new Map(calls.map(({ key, outputShape }) => [key, outputShape]));
  const outputs = requests.map((request) =>
    describeOutput(request, [null, ...shapes.get(callKey(request.layer, 0))!]),
  );
  const outputNodes = outputs.map((output, i) =>
    addOutput(builder, `output_${i}`, values.get(callKey(output.layer, 0))!, output),
  );
  const nodes = builder.finish();
  const { variables, saver } = builder;
  const ops = new Set(nodes.map(({ op }) => op));
  const isFused = ops.has(POINTWISE_OP) || ops.has(DEPTHWISE_OP);
  const used = isFused ? 'fused' : ops.has(WINOGRAD_OP) ? 'winograd' : 'direct';
  return { nodes, variables, saver, outputs, outputNodes, conv: used };
}

/** @throws UnsupportedGraph naming the layer that has no rule, or whose shape is not known */
function shapedCalls(topology: Record<string, unknown>, wanted: readonly string[]): CallShape[] {
  const calls = inferCallShapes(topology);
  if (!Array.isArray(calls)) {
    ruleOf(calls.unknown);
    const { className, name } = calls.unknown;
    throw new UnsupportedGraph(`the shape of the layer ${name}, a ${className}, is not known here`);
  }
  const again = calls.find(
    ({ key, row }) => key !== callKey(row.name, 0) && wanted.includes(row.name),
  );
  if (again !== undefined) throw new UnsupportedGraph(`the layer ${again.row.name} is shared`);
  return calls;
}

function checkInput(
  { name, config }: LayerRow,
  imageShape: readonly number[],
  isSecond: boolean,
): void {
  if (isSecond) throw new UnsupportedGraph('it has more than one input');
  const shape = batchShape(config)?.slice(1) ?? [];
  if (String(shape) !== String(imageShape)) {
    throw new UnsupportedGraph(`its input ${name} is [${shape.join(', ')}]`);
  }
}

/** The eager engine reports missing weights. */
function checkWeights(
  { weights }: Pick<ModelFolder, 'weights'>,
  calls: readonly CallShape[],
): void {
  const found = new Map(weights.map(({ name, shape }) => [name, String(shape)]));
  for (const { weights: own } of calls) {
    for (const { name, shape } of own) {
      if (found.get(name) !== String(shape)) {
        throw new UnsupportedGraph(
          `the weight ${name} of shape [${shape.join(', ')}] is not there`,
        );
      }
    }
  }
}

/** Layers whose kernel and bias can take in the normalisation after them. */
const FOLDING = ['Conv2D', 'DepthwiseConv2D', 'SeparableConv2D', 'Dense'];

/**
 * Normalisations that follow a convolution whose own output no other layer reads: they become part of
 * its kernel and bias.
 */
function foldedNorms(calls: readonly CallShape[], wanted: ReadonlySet<string>) {
  const sourceOf = privateSources(calls, wanted);
  const byConvolution = new Map<string, Norm>();
  const folded = new Set<string>();
  for (const { row, inputs } of calls) {
    const source = row.className === 'BatchNormalization' ? sourceOf(row, inputs) : undefined;
    const isLinear = (source?.config.activation ?? 'linear') === 'linear';
    if (source === undefined || !FOLDING.includes(source.className) || !isLinear) continue;
    byConvolution.set(source.name, normOf(row));
    folded.add(row.name);
  }
  return { byConvolution, folded };
}

/** Convolutions whose output is read by a 2×2 max pooling and no other layer: that pooling's name. */
function pairedPoolings(
  calls: readonly CallShape[],
  wanted: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const sourceOf = privateSources(calls, wanted);
  const poolings = new Map<string, string>();
  for (const { row, inputs } of calls) {
    if (row.className !== 'MaxPooling2D') continue;
    const { size, strides } = poolingWindow(row.config);
    const source = sourceOf(row, inputs);
    const isPair = [...size, ...strides].every((n) => n === 2);
    if (isPair && source !== undefined) poolings.set(source.name, row.name);
  }
  return poolings;
}

/** The layer that a layer reads, where nothing else reads it and each of the two is called once. */
function privateSources(calls: readonly CallShape[], wanted: ReadonlySet<string>) {
  const readers = new Map<string, number>();
  for (const { inputs } of calls) {
    for (const from of inputs) readers.set(from, (readers.get(from) ?? 0) + 1);
  }
  const rows = new Map(calls.map(({ key, row }) => [key, row]));
  const isShared = ({ name }: LayerRow) => rows.has(callKey(name, 1));
  return (reader: LayerRow, [from]: readonly string[]): LayerRow | undefined => {
    const row = rows.get(from ?? '');
    if (row === undefined || wanted.has(row.name) || readers.get(from) !== 1) return undefined;
    return isShared(row) || isShared(reader) ? undefined : row;
  };
}

/** Pools where asked, and flattens in NHWC order. */
function addOutput(
  builder: GraphBuilder,
  name: string,
  value: Value,
  { pool, length }: EngineOutput,
): string {
  let values = builder.toFloat(value);
  if (pool !== 'none') {
    const axes = builder.ints(`${name}/axes`, [2], [1, 2]);
    const op = pool === 'avg' ? 'Mean' : 'Max';
    values = builder.add(op, `${name}/pool`, [values, axes], {
      T: { type: 'float' },
      Tidx: { type: 'int32' },
      keep_dims: { bool: false },
    });
  }
  const shape = builder.ints(`${name}/shape`, [2], [-1, length]);
  return builder.add('Reshape', name, [values, shape], {
    T: { type: 'float' },
    Tshape: { type: 'int32' },
  });
}
