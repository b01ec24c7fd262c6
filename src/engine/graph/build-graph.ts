import type { LayerRow } from '../../model/architectures/keras-layers.ts';
import { normalization, poolingWindow } from '../../model/layer-attributes.ts';
import { inferLayerShapes } from '../../model/layer-shapes.ts';
import type { ModelFolder } from '../../model/model-folder.ts';
import { batchShape, isGray, listLayers, modelConfigOf } from '../../model/topology-layers.ts';
import type { Preprocessing } from '../../options/preprocessing.ts';
import type { Device } from '../../runtime/choose-device.ts';
import { describeOutput } from '../describe-output.ts';
import type { ConvolutionKind, EngineOutput, Precision } from '../engine.ts';
import { createPreprocess } from '../preprocess.ts';
import { pruneTopology } from '../prune-topology.ts';
import type { ResolvedLayer } from '../resolve-layers.ts';
import { GraphBuilder, type GraphVariable, type Value } from './graph-builder.ts';
import { addLayer } from './layer-nodes.ts';
import { addPixelInput } from './pixel-input.ts';
import type { GraphNode, SaverNames } from './tensorflow-protos.ts';
import { UnsupportedGraph } from './unsupported-graph.ts';
import type { Norm } from './weight-source.ts';
import { WINOGRAD_OP } from './winograd-nodes.ts';

export interface NetworkGraph {
  readonly nodes: readonly GraphNode[];
  readonly variables: readonly GraphVariable[];
  readonly saver: SaverNames;
  readonly outputs: readonly EngineOutput[];
  /** Nodes that give the outputs: float32 [n, length]. */
  readonly outputNodes: readonly string[];
  /** `winograd` where at least one convolution is computed that way. */
  readonly conv: ConvolutionKind;
}

export interface GraphOptions {
  readonly precision: Precision;
  readonly device: Device;
  /** `winograd` allows our own operation where it is the faster one: CPU and fp32 only. */
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
  const rows = listLayers(topology);
  const shapes = shapesOf(topology, rows);
  checkWeights(folder, topology);
  const norms = foldedNorms(rows, new Set(wanted));
  const poolings = pairedPoolings(rows, new Set(wanted));
  const taken = new Set<string>();
  const builder = new GraphBuilder(precision, halfScale(preprocessing));
  const imageShape = [...inputSize, isGray(topology) ? 1 : 3] as const;
  const pixels = addPixelInput(builder, preprocessing, imageShape);
  // On a GPU TensorFlow runs a fused float32 convolution by transposing to NCHW and back.
  const addsUnfused = device === 'cuda' && builder.type === 'float';
  const values = new Map<string, Value>();
  for (const [i, row] of rows.entries()) {
    const isFirst = row.inbound.length === 0;
    if (isFirst) checkInput(row, imageShape, values.size > 0);
    // A Sequential model has no InputLayer: its first layer takes the pixels.
    const inputs = isFirst ? [pixels] : row.inbound.map((from) => values.get(from)!);
    const passes =
      row.className === 'InputLayer' || norms.folded.has(row.name) || taken.has(row.name);
    const pooling = poolings.get(row.name);
    const value = passes
      ? inputs[0]
      : addLayer({
          builder,
          row,
          name: `layer_${i}_${row.name.replaceAll(/[^A-Za-z0-9_.-]/g, '_')}`,
          inputs,
          inputShapes: isFirst ? [imageShape] : row.inbound.map((from) => shapes.get(from)!),
          outputShape: shapes.get(row.name)!,
          norm: norms.byConvolution.get(row.name),
          addsUnfused,
          mayUseWinograd: conv === 'winograd',
          takePooling: pooling === undefined ? undefined : () => taken.add(pooling),
        });
    values.set(row.name, value);
  }
  const outputs = requests.map((request) =>
    describeOutput(request, [null, ...shapes.get(request.layer)!]),
  );
  const outputNodes = outputs.map((output, i) =>
    addOutput(builder, `output_${i}`, values.get(output.layer)!, output),
  );
  const nodes = builder.finish();
  const { variables, saver } = builder;
  const usesWinograd = nodes.some(({ op }) => op === WINOGRAD_OP);
  const used = usesWinograd ? 'winograd' : 'direct';
  return { nodes, variables, saver, outputs, outputNodes, conv: used };
}

function shapesOf(topology: Record<string, unknown>, rows: readonly LayerRow[]) {
  const { config } = modelConfigOf(topology);
  for (const [i, layer] of (config.layers as Record<string, unknown>[]).entries()) {
    const calls = Array.isArray(layer.inbound_nodes) ? layer.inbound_nodes.length : 0;
    if (calls > 1) throw new UnsupportedGraph(`the layer ${rows[i].name} is shared`);
  }
  const shapes = inferLayerShapes(topology);
  if (shapes === undefined) {
    throw new UnsupportedGraph('it holds a layer whose shape is not known here');
  }
  return new Map(shapes.map(({ name, outputShape }) => [name, outputShape]));
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
  topology: Record<string, unknown>,
): void {
  const found = new Map(weights.map(({ name, shape }) => [name, String(shape)]));
  for (const { weights: own } of inferLayerShapes(topology)!) {
    for (const { name, shape } of own) {
      if (found.get(name) !== String(shape)) {
        throw new UnsupportedGraph(
          `the weight ${name} of shape [${shape.join(', ')}] is not there`,
        );
      }
    }
  }
}

/**
 * Normalisations that follow a convolution whose own output no other layer reads: they become part of
 * its kernel and bias.
 */
function foldedNorms(rows: readonly LayerRow[], wanted: ReadonlySet<string>) {
  const byName = new Map(rows.map((row) => [row.name, row]));
  const isPrivate = privateLayers(rows, wanted);
  const byConvolution = new Map<string, Norm>();
  const folded = new Set<string>();
  for (const row of rows) {
    const source = byName.get(row.inbound[0] ?? '');
    if (row.className !== 'BatchNormalization' || source === undefined) continue;
    const isConvolution = ['Conv2D', 'DepthwiseConv2D'].includes(source.className);
    const isLinear = (source.config.activation ?? 'linear') === 'linear';
    if (!isConvolution || !isLinear || !isPrivate(source.name)) continue;
    byConvolution.set(source.name, normOf(row));
    folded.add(row.name);
  }
  return { byConvolution, folded };
}

/** Convolutions whose output is read by a 2×2 max pooling and no other layer: that pooling's name. */
function pairedPoolings(
  rows: readonly LayerRow[],
  wanted: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const isPrivate = privateLayers(rows, wanted);
  const poolings = rows.filter(({ className, inbound, config }) => {
    if (className !== 'MaxPooling2D' || !isPrivate(inbound[0] ?? '')) return false;
    const { size, strides } = poolingWindow(config);
    return [...size, ...strides].every((n) => n === 2);
  });
  return new Map(poolings.map(({ name, inbound }) => [inbound[0], name]));
}

/** Whether exactly one other layer reads a layer. */
function privateLayers(rows: readonly LayerRow[], wanted: ReadonlySet<string>) {
  const readers = new Map<string, number>();
  for (const { inbound } of rows) {
    for (const from of inbound) readers.set(from, (readers.get(from) ?? 0) + 1);
  }
  return (name: string) => readers.get(name) === 1 && !wanted.has(name);
}

function normOf({ name, config }: LayerRow): Norm {
  const { gamma, beta, mean, variance, epsilon } = normalization(config);
  return {
    gamma: gamma && `${name}/${gamma}`,
    beta: beta && `${name}/${beta}`,
    mean: `${name}/${mean}`,
    variance: `${name}/${variance}`,
    epsilon,
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
