/** Our own 1×1 and depthwise convolutions against TensorFlow's, and where the graph uses them. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { buildGraph } from '../../../src/engine/graph/build-graph.ts';
import { DEPTHWISE_OP } from '../../../src/engine/graph/separable-nodes.ts';
import {
  add,
  batchNormalization,
  conv2d,
  depthwiseConv2d,
  input,
  type LayerRow,
  relu6,
  zeroPadding2d,
} from '../../../src/model/architectures/keras-layers.ts';
import { NO_TENSORFLOW, skipIf } from '../../skip-if.ts';
import { found, open } from '../open-engines.ts';
import { functional, randomWeights, writeTinyModel } from '../tiny-model.ts';
import { relativeError, somePixels } from './compare.ts';
import { networkGraph } from './network-graph.ts';

const CHILD = fileURLToPath(new URL('separable-child.mjs', import.meta.url));

/** batch, height, width, channels in and out, size and stride of the depthwise kernel. */
const SHAPES = [
  [2, 7, 5, 3, 5, 3, 1],
  [1, 1, 3, 20, 16, 3, 2],
  [3, 9, 14, 16, 33, 5, 2],
  // More than one strip of rows.
  [2, 70, 67, 8, 40, 3, 1],
  [2, 20, 23, 513, 24, 7, 1],
  [5, 7, 7, 96, 192, 3, 3],
];

interface Result {
  readonly errors: Readonly<Record<string, number>>;
  readonly hash: string;
}

async function convolveAll(threads: number, set?: string): Promise<Result[]> {
  const shapes = SHAPES.map(([batch, height, width, into, out, kernel, stride]) => {
    return { batch, height, width, into, out, kernel, stride };
  });
  const args = [CHILD, JSON.stringify(shapes), String(threads), ...(set ? [set] : [])];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, IMG2FEATURES_CACHE: join(found.cpu!.dir, '..', '..') },
  });
  return JSON.parse(stdout) as Result[];
}

const layer = (className: string, name: string, inbound: string[], config = {}): LayerRow => ({
  className,
  name,
  inbound,
  config: { ...config, name },
});
const norm = (name: string, from: string) =>
  batchNormalization(name, from, { momentum: 0.9, epsilon: 0.01 });
const swish = (name: string, from: string) =>
  layer('Activation', name, [from], { activation: 'swish' });

/** A block of EfficientNet and what MobileNets have; sizes that divide by nothing. */
const LAYERS: readonly LayerRow[] = [
  input('image', [13, 15]),
  conv2d('stem', 'image', { filters: 5, kernel: 3 }),
  conv2d('expand', 'stem', { filters: 20, kernel: 1 }),
  norm('expand_norm', 'expand'),
  swish('expanded', 'expand_norm'),
  zeroPadding2d('padded', 'expanded', [
    [0, 1],
    [1, 2],
  ]),
  depthwiseConv2d('deep', 'padded', { kernel: 3, stride: 2, padding: 'valid' }),
  norm('deep_norm', 'deep'),
  swish('deepened', 'deep_norm'),
  layer('GlobalAveragePooling2D', 'squeeze', ['deepened'], { keepdims: true }),
  conv2d('reduce', 'squeeze', { filters: 3, kernel: 1 }),
  swish('reduced', 'reduce'),
  conv2d('gated', 'reduced', { filters: 20, kernel: 1 }),
  layer('Activation', 'gate', ['gated'], { activation: 'sigmoid' }),
  layer('Multiply', 'excited', ['gate', 'deepened']),
  conv2d('project', 'excited', { filters: 20, kernel: 1 }),
  norm('project_norm', 'project'),
  add('sum', ['deepened', 'project_norm']),
  relu6('six', 'sum'),
  depthwiseConv2d('five', 'six', { kernel: 5, stride: 2, padding: 'same' }),
  layer('Activation', 'positive', ['five'], { activation: 'relu' }),
  conv2d('mixed', 'positive', { filters: 9, kernel: 1, activation: 'relu' }),
  layer('Activation', 'tanh', ['mixed'], { activation: 'tanh' }),
  layer('GlobalAveragePooling2D', 'top', ['tanh']),
];
const WANTED = 'expanded,deep,deepened,squeeze,gate,excited,project_norm,sum,six,positive,tanh,top';

/** Operations by number, of those that the outputs need. */
function neededOps(name: string, layerName: string): Record<string, number> {
  const { nodes, outputNodes, conv } = networkGraph(name, [layerName], { conv: 'fused' }, 'tf');
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const needed = new Set<string>();
  const visit = (name: string) => {
    if (needed.has(name)) return;
    needed.add(name);
    for (const from of byName.get(name)!.inputs) visit(from.replace(/:\d+$/, ''));
  };
  for (const name of outputNodes) visit(name);
  const counts: Record<string, number> = { [conv]: 1 };
  for (const name of needed) {
    const { op } = byName.get(name)!;
    if (/Conv2D|Add|Relu|Pad|Mean|Mul|Sigmoid|Depthwise/.test(op))
      counts[op] = (counts[op] ?? 0) + 1;
  }
  return counts;
}

describe(
  'our 1×1 and depthwise convolutions',
  skipIf(found.cpu?.operationsPath === undefined, `no operations: ${NO_TENSORFLOW}`),
  () => {
    test('are TensorFlow’s within 5e-6 of the largest value, and the same bytes on 1, 2 and 5 threads, by AVX2 and by AVX-512', async () => {
      const [first, ...others] = await Promise.all([
        convolveAll(1),
        convolveAll(2, 'AVX2'),
        convolveAll(5),
      ]);
      for (const other of others) {
        expect(other.map(({ hash }) => hash)).toEqual(first.map(({ hash }) => hash));
      }
      for (const [i, { errors }] of first.entries()) {
        for (const [what, error] of Object.entries(errors)) {
          expect(error, `${what} of ${SHAPES[i]}`).toBeLessThanOrEqual(5e-6);
        }
      }
    });

    test('give TensorFlow’s values for each layer of a block, an image alone what it gives in a batch', async () => {
      const topology = functional(LAYERS, 'top');
      const folder = await writeTinyModel(topology, randomWeights(LAYERS), [13, 15]);
      const pixels = Uint8Array.from(somePixels(3, 15).subarray(0, 3 * 13 * 15 * 3));
      const options = { device: 'cpu', layers: WANTED } as const;
      const fused = await open(folder, { ...options, conv: 'fused' });
      const direct = await open(folder, { ...options, conv: 'direct' });
      expect([fused.info.conv, direct.info.conv]).toEqual(['fused', 'direct']);
      const [values, expected] = [
        await fused.run(pixels.slice(), 3),
        await direct.run(pixels.slice(), 3),
      ];
      for (const [i, name] of WANTED.split(',').entries()) {
        expect(relativeError(values[i], expected[i]), name).toBeLessThanOrEqual(2e-6);
      }
      const alone = await fused.run(pixels.slice(-13 * 15 * 3), 1);
      for (const [i, value] of alone.entries())
        expect(value).toEqual(values[i].slice(-value.length));
    });

    test('leave more zeros on a side than a depthwise kernel is wide to a padding of its own', async () => {
      const layers = [
        input('image', [4, 4]),
        conv2d('point', 'image', { filters: 20, kernel: 1 }),
        zeroPadding2d('padded', 'point', [
          [5, 0],
          [5, 0],
        ]),
        depthwiseConv2d('corner', 'padded', { kernel: 2, stride: 8, padding: 'valid' }),
        norm('top', 'corner'),
      ];
      const folder = await writeTinyModel(functional(layers, 'top'), randomWeights(layers), [4, 4]);
      const { nodes } = buildGraph(folder, [{ layer: 'top', pool: 'none' }], {
        ...({ precision: 'fp32', device: 'cpu', conv: 'fused' } as const),
      });
      const [own] = nodes.filter(({ op }) => op === DEPTHWISE_OP);
      expect(own.attributes?.pads).toEqual({ ints: [0, 0, 0, 0] });
      const pixels = Uint8Array.from(somePixels(1, 4).subarray(0, 4 * 4 * 3));
      const fused = await open(folder, { device: 'cpu', conv: 'fused' });
      const direct = await open(folder, { device: 'cpu', conv: 'direct' });
      const [values] = await fused.run(pixels.slice(), 1);
      const [expected] = await direct.run(pixels.slice(), 1);
      expect(relativeError(values, expected)).toBeLessThanOrEqual(2e-6);
    });
  },
);

test('of MobileNetV2 nothing but the first layer is left to TensorFlow; networks without depthwise layers keep theirs', () => {
  expect(neededOps('mobilenetv2', 'out_relu')).toEqual({
    fused: 1,
    Conv2D: 1,
    // Of the first layer, and of the preprocessing.
    Relu6: 1,
    BiasAdd: 1,
    Img2FeaturesDepthwiseConv2D: 17,
    // 16 that expand are made where they are read.
    Img2FeaturesPointwiseConv2D: 18,
  });
  expect(neededOps('resnet50', 'conv2_block1_out')).toMatchObject({ winograd: 1, Conv2D: 4 });
});
