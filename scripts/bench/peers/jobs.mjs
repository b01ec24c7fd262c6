/** What img2features and its peers do in turn: one function a job. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLI } from '../../bootstrap.mjs';
import { cacheFolder } from '../../lib/cache-folder.mjs';
import { pythonEnvironment } from '../../lib/python-environment.mjs';
import { linkMany, linkSample } from '../lib/dataset.mjs';
import { contest, lastLine } from './contest.mjs';
import { startFilledBucket } from './filled-bucket.mjs';

const ONNX_NODE = 'onnxruntime-node@1.30.0';
const SPARK_IMAGES = { pixels: 1000, vgg16: 60, slim: 2000 };
/** The notebook's job on many images would take half an hour. */
const NOTEBOOK_SECONDS = 100;
/** Same weights, same pixels: all but the last bits. */
const SAME_FEATURES = 0.999999;

/** @typedef {import('./contest.mjs').Contestant} Contestant */
/**
 * @typedef {object} Options
 * @property {string} dataset
 * @property {string} model
 * @property {number} images for a network
 * @property {number[]} many the first of them for pixels
 * @property {number} repeat
 * @property {string[]} without
 * @property {string} scratch
 */

/** Full VGG16 with the model folder's weights, its last layer, files to Parquet. @param {Options} options */
export async function vgg16({ dataset, images, model, repeat, without, scratch }) {
  const list = linkSample(dataset, images, join(scratch, 'images'));
  const onnx = join(scratch, 'vgg16.onnx');
  const param = join(scratch, 'vgg16.param');
  const isWith = (name) => !without.includes(name);
  const weights = join(scratch, 'vgg16.bin');
  if (['onnx', 'openvino', 'onnx-node'].some(isWith)) {
    execFileSync(python('runtimes'), [here('make_onnx.py'), model, onnx]);
  }
  if (isWith('ncnn')) {
    execFileSync(python('runtimes'), [here('make_ncnn.py'), model, param, weights]);
  }
  const peer = (name, env, file, input) => {
    const table = join(scratch, `${name}.parquet`);
    return { name, table, start: () => pythonScript(env, file, list, input, table) };
  };
  const contestants = [
    img2features([list, '--mode', 'vgg16', '--model', model], join(scratch, 'ours')),
    peer('keras', 'keras', 'keras_vgg16.py', model),
    peer('torch', 'torch', 'torch_vgg16.py', model),
    runtime('onnx', list, onnx, scratch),
    runtime('openvino', list, onnx, scratch),
    runtime('ncnn', list, param, scratch),
    onnxNode(list, onnx, scratch),
    // Minutes long: once is enough for its ratio.
    { ...peer('spark', 'keras', 'spark_vgg16.py', model), rounds: 1 },
  ].filter(({ name }) => isWith(name));
  // sharp's resize is not Pillow's.
  const tolerance = (name) => (name === 'onnx-node' ? 0.99 : SAME_FEATURES);
  const options = { repeat, column: 'cnn_vectors', python: python('keras'), tolerance };
  const job = `full VGG16 (seeded weights), ${images} images, files to table`;
  return [await contest(job, contestants, options)];
}

/** Other networks of Keras with seeded weights, what they take, and their last layer. */
const NETWORKS = {
  ResNet50: 'caffe',
  MobileNetV2: 'tf',
  EfficientNetB0: 'none',
  DenseNet121: 'torch',
};

/** What `vgg16` measures beside the runtimes of `networks` and ncnn. */
const NOT_OF_NETWORKS = ['keras', 'torch', 'onnx-node', 'spark'];

/** Whole models as Keras saves them, against runtimes that read ONNX; then VGG16. @param {Options} options */
export async function networks(options) {
  const { dataset, images, repeat, without, scratch } = options;
  const list = linkSample(dataset, images, join(scratch, 'networks'));
  const results = [];
  for (const [name, mode] of Object.entries(NETWORKS)) {
    if (without.includes(name)) continue;
    const path = (file) => join(scratch, `${name}${file}`);
    execFileSync(python('convert'), [here('make_network.py'), name, path('.keras'), path('.onnx')]);
    execFileSync(process.execPath, [CLI, 'model', 'convert', path('.keras'), '--out', path('')]);
    // No report: the peers write none.
    const args = [list, '--mode', 'cnn', '--model', path(''), '--preprocessing', mode];
    args.push('--no-report');
    const contestants = [
      img2features(args, path('-ours')),
      runtime('onnx', list, path('.onnx'), scratch, mode),
      runtime('openvino', list, path('.onnx'), scratch, mode),
    ].filter(({ name }) => !without.includes(name));
    const compared = { repeat, column: 'cnn_vectors', python: python('runtimes') };
    const job = `${name} (seeded weights), ${images} images, files to table`;
    const tolerance = () => SAME_FEATURES;
    results.push(await contest(job, contestants, { ...compared, tolerance }));
  }
  if (without.includes('VGG16')) return results;
  return [...results, ...(await vgg16({ ...options, without: [...without, ...NOT_OF_NETWORKS] }))];
}

/** @param {string} name @param {string} list @param {string} model @param {string} scratch @param {string} [mode] */
function runtime(name, list, model, scratch, mode = 'caffe') {
  const table = join(scratch, `${name}.parquet`);
  const start = () => pythonScript('runtimes', 'runtimes.py', name, list, model, table, mode);
  return { name, table, start };
}

/** The pixels job on many images: Parquet and JSON, scaler and PCA. @param {Options} options */
export async function pixels({ dataset, many: [images], repeat, without, scratch }) {
  const many = join(scratch, 'many');
  linkMany(dataset, images, many);
  // No report: the peers write none.
  const args = [many, '--mode', 'pixels', '--format', 'parquet,json', '--no-report'];
  const plain = join(scratch, 'plain');
  const contestants = [
    img2features(args, join(scratch, 'ours-pixels')),
    {
      name: 'plain',
      table: join(plain, 'features.parquet'),
      start: () => pythonScript('keras', 'plain_pixels.py', many, plain),
    },
    notebook('spark_pixels.py', many, join(scratch, 'spark')),
  ].filter(({ name }) => !without.includes(name));
  const tolerance = () => 1 - 1e-12;
  const options = { repeat, column: 'vectors', python: python('keras'), tolerance };
  const job = `pixels, ${images} images, files to Parquet and JSON`;
  return [await contest(job, contestants, options)];
}

/**
 * Our spark-submit job against the notebook's, on the same `local[2]`: both in whole processes, Parquet, JSON and (ours) CSV out;
 * on many images beside our own process and two executors, and of the notebook's job only its first seconds.
 * @param {Options} options
 */
export async function spark({ dataset, many: [images], model, scratch, repeat, without }) {
  const options = { repeat, python: python('keras'), tolerance: () => SAME_FEATURES };
  const out = (name) => join(scratch, name);
  const onMany = (input, ...args) => [
    sparkJob([input, ...args, '--stage'], out('spark-ours-many')),
    oneMachine([input, ...args], out('ours-many')),
  ];
  const slimImages = () => {
    linkMany(dataset, SPARK_IMAGES.slim, out('spark-slim'));
    const narrow = out('slim-model');
    const init = ['model', 'init', 'vgg16', '--seed', '1', '--width', '0.1', '--out', narrow];
    execFileSync(process.execPath, [CLI, ...init], { stdio: 'ignore' });
    return [out('spark-slim'), '--mode', 'vgg16', '--model', narrow, '--layer', 'fc2'];
  };
  /** Names for `without`, too. @type {Record<string, { job: string, column: string, contestants: () => Contestant[] }>} */
  const contests = {
    'spark-few': {
      job: `pixels on Spark local[2], ${SPARK_IMAGES.pixels} images`,
      column: 'vectors',
      contestants: () => {
        linkSample(dataset, SPARK_IMAGES.pixels, out('few'));
        return [
          sparkJob([out('few'), '--mode', 'pixels'], out('spark-ours-pixels')),
          notebook('spark_pixels.py', out('few'), out('spark-pixels')),
        ];
      },
    },
    'spark-many': {
      job: `pixels on Spark local[2], ${images} images`,
      column: 'vectors',
      contestants: () => {
        linkMany(dataset, images, out('many'));
        const args = [out('many'), '--mode', 'pixels'];
        return [
          ...onMany(...args),
          sparkJob(args, out('spark-ours-two'), 'local-cluster[2,1,1024]'),
          notebook('spark_pixels.py', out('many'), out('spark-many-pixels'), NOTEBOOK_SECONDS),
        ];
      },
    },
    'spark-slim': {
      job: `VGG16 of a tenth of its width to fc2 on Spark local[2], ${SPARK_IMAGES.slim} images`,
      column: 'cnn_vectors',
      contestants: () => onMany(...slimImages()),
    },
    'spark-full': {
      job: `full VGG16 on Spark local[2], ${SPARK_IMAGES.vgg16} images`,
      column: 'cnn_vectors',
      contestants: () => {
        const list = linkSample(dataset, SPARK_IMAGES.vgg16, out('sixty'));
        const theirs = out('spark-vgg16');
        return [
          sparkJob([out('sixty'), '--mode', 'vgg16', '--model', model], out('spark-ours-vgg16')),
          { ...notebook('spark_vgg16.py', list, model, theirs), table: theirs },
        ];
      },
    },
  };
  const results = [];
  for (const [name, { job, column, contestants }] of Object.entries(contests)) {
    if (without.includes(name)) continue;
    const kept = contestants().filter((one) => !without.includes(one.name));
    results.push(await contest(job, kept, { ...options, column }));
  }
  return results;
}

/** Our own command writing what our Spark job writes. @param {string[]} args @param {string} out */
function oneMachine(args, out) {
  const formats = ['--format', 'parquet,json,csv', '--no-report'];
  return { ...img2features([...args, ...formats], out), name: 'one machine' };
}

/** A whole run in pixels mode from a local S3 server against boto3 that fetches the same objects. @param {Options} options */
export async function s3({ many: [images], repeat, scratch }) {
  const { endpoint, env, stop } = await startFilledBucket(images);
  try {
    const args = ['s3://bench/dataset', '--mode', 'pixels', '--s3-endpoint', endpoint];
    const contestants = [
      img2features(args, join(scratch, 'ours-s3'), env),
      { name: 'boto3', start: () => ({ ...pythonScript('s3', 'boto3_fetch.py', endpoint), env }) },
    ];
    const job = `pixels, ${images} JPEGs of 100×100 from an S3 server on this machine`;
    const options = { repeat, column: 'vectors', python: python('s3'), tolerance: () => 0 };
    return [await contest(job, contestants, options)];
  } finally {
    await stop();
  }
}

/**
 * Our own command. "load" is the start of the engine, "job" all the rest that the process reports.
 * @param {string[]} args input, mode and the like
 * @param {string} out
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Contestant}
 */
function img2features(args, out, env) {
  const command = [CLI, ...args, '--out', out, '--overwrite', '--quiet'];
  return {
    name: 'img2features',
    table: join(out, 'parquet'),
    start: () => ({ command: process.execPath, args: command, env }),
    read: () => {
      const { counts, stagesMs, version } = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'));
      const load = (stagesMs.engineStart ?? 0) / 1000;
      const alone = stagesMs.engineImagesPerSecond;
      const network = alone > 0 ? counts.extracted / alone : undefined;
      const seconds = { load, job: stagesMs.total / 1000 - load, network };
      return { images: counts.extracted, seconds, version: `img2features ${version}` };
    },
  };
}

/**
 * Our job for spark-submit.
 * @param {string[]} args
 * @param {string} out
 * @returns {Contestant}
 */
function sparkJob(args, out, master = 'local[2]') {
  const interpreter = python('keras');
  // A network uses all cores by itself.
  const cores = args.includes('pixels') ? 1 : 2;
  const job = fileURLToPath(new URL('../../spark/job.py', import.meta.url));
  const settings = ['--master', master, '--driver-memory', '2g', '--executor-memory', '768m'];
  settings.push('--conf', 'spark.ui.enabled=false', '--conf', `spark.task.cpus=${cores}`);
  const ours = { PYSPARK_PYTHON: interpreter, IMG2FEATURES: `${process.execPath} ${CLI}` };
  return {
    name: master === 'local[2]' ? 'img2features' : 'executors',
    table: join(out, 'parquet'),
    start: () => ({
      command: join(dirname(interpreter), 'spark-submit'),
      args: [...settings, job, ...args, '--out', out, '--overwrite', '--quiet'],
      env: { ...process.env, ...ours },
    }),
    read: (stdout) => {
      const { extracted, seconds } = lastLine(stdout);
      const version = "img2features' spark-submit job";
      return { images: extracted, seconds: { load: 0, job: seconds.all }, version };
    },
  };
}

/** The notebook's job, once. Of pixels no table: its channels are swapped (Spark's image source gives BGR). @param {string} file @param {(string | number)[]} args */
function notebook(file, ...args) {
  return { name: 'spark', rounds: 1, start: () => pythonScript('keras', file, ...args) };
}

/** @param {string} list @param {string} model @param {string} scratch */
function onnxNode(list, model, scratch) {
  const packages = join(cacheFolder(), 'bench-packages', ONNX_NODE.replace('@', '-'));
  const table = join(scratch, 'onnx-node.json');
  const args = [here('onnx-node.mjs'), list, model, table, packages];
  const start = () => {
    if (!existsSync(join(packages, 'node_modules'))) {
      mkdirSync(packages, { recursive: true });
      writeFileSync(join(packages, 'package.json'), '{"private":true}\n');
      // Its install script only fetches CUDA's provider.
      execFileSync('npm', ['install', '--ignore-scripts', ONNX_NODE], { cwd: packages });
    }
    return { command: process.execPath, args };
  };
  return { name: 'onnx-node', table, start };
}

/** @param {string} env @param {string} file @param {(string | number)[]} args */
function pythonScript(env, file, ...args) {
  return { command: python(env), args: [here(file), ...args.map(String)] };
}

/** @param {string} env */
function python(env) {
  return pythonEnvironment(`bench-${env}`, here(`requirements-${env}.txt`));
}

/** @param {string} file */
function here(file) {
  return fileURLToPath(new URL(file, import.meta.url));
}
