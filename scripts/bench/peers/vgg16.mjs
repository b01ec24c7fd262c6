import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDir } from '../../../dist/runtime/cache-dir.js';
import { pythonEnvironment } from '../../lib/python-environment.mjs';
import { imagesOf, sample } from '../lib/many-images.mjs';
import { contest } from './contest.mjs';
import { img2features } from './img2features.mjs';

const ONNX_NODE = 'onnxruntime-node@1.30.0';

/**
 * Full VGG16 with the model folder's weights, its last layer, files to Parquet.
 * @param {{ dataset: string, images: number, model: string, repeat: number, without: string[], scratch: string }} options
 */
export async function compareVgg16({ dataset, images, model, repeat, without, scratch }) {
  const list = join(scratch, 'images.txt');
  writeFileSync(list, `${sample(imagesOf(dataset), images).join('\n')}\n`);
  const keras = pythonEnvironment('bench-keras', here('requirements-keras.txt'));
  const torch = pythonEnvironment('bench-torch', here('requirements-torch.txt'));
  const onnx = join(scratch, 'vgg16.onnx');
  if (!without.includes('onnx')) execFileSync(torch, [here('make_onnx.py'), model, onnx]);

  const script = (name, python, file, input) => {
    const table = join(scratch, `${file}.parquet`);
    return {
      name,
      table,
      start: () => ({ command: python, args: [here(file), list, input, table] }),
    };
  };
  const all = [
    img2features([list, '--mode', 'vgg16', '--model', model], join(scratch, 'ours')),
    script('keras', keras, 'keras_vgg16.py', model),
    script('torch', torch, 'torch_vgg16.py', model),
    script('onnx', torch, 'onnx_vgg16.py', onnx),
    ...(without.includes('onnx') || without.includes('onnx-node')
      ? []
      : [onnxNode(list, onnx, scratch)]),
    // Minutes long: once is enough for its ratio.
    { ...script('spark', keras, 'spark_vgg16.py', model), rounds: 1 },
  ];
  const contestants = all.filter((one) => !without.includes(one.name));
  const rows = await contest(contestants, {
    repeat,
    column: 'cnn_vectors',
    python: keras,
    // sharp's resize is not Pillow's.
    tolerance: (name) => (name === 'onnx-node' ? 0.99 : 0.999999),
  });
  return { job: `full VGG16 (seeded weights), ${images} images, files to table`, rows };
}

function onnxNode(list, model, scratch) {
  const packages = join(cacheDir(), 'bench-packages', ONNX_NODE.replace('@', '-'));
  if (!existsSync(join(packages, 'node_modules'))) {
    mkdirSync(packages, { recursive: true });
    writeFileSync(join(packages, 'package.json'), '{"private":true}\n');
    // Its install script only fetches CUDA's provider.
    execFileSync('npm', ['install', '--ignore-scripts', ONNX_NODE], { cwd: packages });
  }
  const table = join(scratch, 'onnx-node.json');
  return {
    name: 'onnx-node',
    table,
    start: () => ({
      command: process.execPath,
      args: [here('onnx-node.mjs'), list, model, table, packages],
    }),
  };
}

function here(file) {
  return fileURLToPath(new URL(file, import.meta.url));
}
