import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from '../../lib/python-environment.mjs';
import { imagesOf, sample } from '../lib/many-images.mjs';
import { contest } from './contest.mjs';

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));
const PIXELS_IMAGES = 1000;
const VGG16_IMAGES = 60;

/**
 * Our spark-submit job against the notebook's, on the same `local[2]`: both in whole processes, Parquet, JSON and (ours) CSV out.
 * @param {{ dataset: string, model: string, scratch: string, repeat: number }} options
 */
export async function compareSpark({ dataset, model, scratch, repeat }) {
  const python = pythonEnvironment('bench-keras', here('requirements-keras.txt'));
  const pixels = copySample(dataset, PIXELS_IMAGES, join(scratch, 'spark-1000'));
  const vgg16 = copySample(dataset, VGG16_IMAGES, join(scratch, 'spark-60'));
  const options = { repeat, python, tolerance: () => 0 };
  const out = (name) => join(scratch, name);
  return [
    {
      job: `pixels on Spark local[2], ${pixels.count} images`,
      rows: await contest(
        [
          ours(python, pixels.dir, ['--mode', 'pixels'], out('spark-ours-pixels')),
          {
            name: 'spark',
            rounds: 1,
            start: () => ({
              command: python,
              args: [here('spark_pixels.py'), pixels.dir, out('spark-pixels')],
            }),
          },
        ],
        { ...options, column: 'vectors' },
      ),
    },
    {
      job: `full VGG16 on Spark local[2], ${vgg16.count} images`,
      rows: await contest(
        [
          ours(python, vgg16.dir, ['--mode', 'vgg16', '--model', model], out('spark-ours-vgg16')),
          {
            name: 'spark',
            rounds: 1,
            table: out('spark-vgg16'),
            start: () => ({
              command: python,
              args: [here('spark_vgg16.py'), vgg16.list, model, out('spark-vgg16')],
            }),
          },
        ],
        { ...options, column: 'cnn_vectors', tolerance: () => 0.999999 },
      ),
    },
  ];
}

/** @returns {import('./contest.mjs').Contestant} */
function ours(python, input, args, out) {
  const job = fileURLToPath(new URL('../../spark/job.py', import.meta.url));
  const settings = [
    '--master',
    'local[2]',
    '--driver-memory',
    '2g',
    '--conf',
    'spark.ui.enabled=false',
  ];
  return {
    name: 'img2features',
    table: join(out, 'parquet'),
    start: () => ({
      command: join(dirname(python), 'spark-submit'),
      args: [...settings, job, input, ...args, '--out', out, '--overwrite', '--quiet'],
      env: { ...process.env, PYSPARK_PYTHON: python, IMG2FEATURES: `${process.execPath} ${CLI}` },
    }),
    read: (stdout) => {
      const { extracted, seconds } = JSON.parse(stdout.trim().split('\n').at(-1));
      const version = "img2features' spark-submit job";
      return { images: extracted, seconds: { load: 0, job: seconds.all }, version };
    },
  };
}

function copySample(dataset, count, dir) {
  const chosen = sample(imagesOf(dataset), count);
  const copies = chosen.map((path) => join(dir, basename(dirname(path)), basename(path)));
  for (const [i, path] of chosen.entries()) {
    mkdirSync(dirname(copies[i]), { recursive: true });
    copyFileSync(path, copies[i]);
  }
  const list = `${dir}.txt`;
  writeFileSync(list, `${copies.join('\n')}\n`);
  return { dir, list, count };
}

function here(file) {
  return fileURLToPath(new URL(file, import.meta.url));
}
