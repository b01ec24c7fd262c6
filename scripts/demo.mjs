import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLI, ROOT } from './bootstrap.mjs';
import { runCommand } from './lib/run-command.mjs';
import { fingerprint, hasStamp, removeStamp, writeStamp } from './lib/stamp.mjs';
import { runQuietly, runStep, StepError } from './lib/steps.mjs';

const DEMO = join(ROOT, 'demo');
const MODEL = join(ROOT, 'models', 'vgg16');
const SHOWN_ROWS = 3;
const SHOWN_VALUES = 4;

/**
 * One run a mode, on images of its own: VGG16 takes a quarter of a second an image on two cores, so it
 * gets fewer. One image of the first set is cut in half, to show what becomes of such a file.
 * @type {{ mode: string, dataset: string, images: import('./draw-images.mjs').DatasetOptions }[]}
 */
const RUNS = [
  {
    mode: 'pixels',
    dataset: 'dataset',
    images: { seed: 1, imagesPerClass: 24, minSize: 60, maxSize: 160, withBroken: true },
  },
  {
    mode: 'vgg16',
    dataset: 'dataset-vgg16',
    images: { seed: 2, imagesPerClass: 5, minSize: 200, maxSize: 400, withBroken: false },
  },
];

/**
 * Draws images, runs both modes on them and shows what came out.
 * @returns {Promise<number>} exit status; 0 although a run that rejects an image ends with 1
 */
export async function demo() {
  await runStep(drawnImages(), process.stdout);
  await runStep(seededModel(), process.stdout);

  for (const { mode, dataset, images } of RUNS) {
    const args = [`demo/${dataset}`, '--mode', mode, '--out', `demo/out/${mode}`];
    const options = ['--format', 'parquet,json,csv', '--overwrite'];
    console.log(`\n$ npm start -- ${[...args, ...options].join(' ')}`);
    const status = await runCommand(process.execPath, [CLI, ...args, ...options], { cwd: ROOT });
    if (status > 1) return status;
    showTable(mode);
    if (status !== (images.withBroken ? 1 : 0)) {
      throw new StepError(
        `The run ended with exit status ${status}, which these images do not explain.`,
      );
    }
  }
  showWhatNext();
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
      for (const { dataset, images } of RUNS) await writeDataset(join(DEMO, dataset), images);
      writeStamp(stamp, wanted);
    },
  };
}

/** @returns {import('./lib/steps.mjs').Step} */
function seededModel() {
  return {
    what: 'Make models/vgg16 with seeded random weights, NOT trained (model init vgg16 --seed 1)',
    isDone: () => existsSync(join(MODEL, 'model.json')),
    run: async () => {
      const args = [CLI, 'model', 'init', 'vgg16', '--seed', '1', '--out', 'models/vgg16'];
      const where = { cwd: ROOT, env: process.env };
      const { status, tail } = await runQuietly(process.execPath, args, where);
      if (status !== 0) throw new StepError('model init failed. It said:', tail);
    },
  };
}

/** @param {string} mode */
function showTable(mode) {
  const out = join(DEMO, 'out', mode);
  console.log(`\nThe first rows of demo/out/${mode}/json/part-00000.json:`);
  const rows = linesOf(join(out, 'json', 'part-00000.json')).slice(0, SHOWN_ROWS);
  for (const row of rows) console.log(`  ${shortened(JSON.parse(row))}`);

  const rejected = linesOf(join(out, 'rejected.jsonl'));
  if (rejected.length === 0) return;
  console.log(
    'Rejected, and therefore exit status 1 (circle-broken.jpg is cut in half on purpose):',
  );
  for (const line of rejected) console.log(`  ${line}`);
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

function showWhatNext() {
  const { userDefinedMetadata } = JSON.parse(readFileSync(join(MODEL, 'model.json'), 'utf8'));
  const isSeeded = userDefinedMetadata?.img2features?.trained === false;
  if (isSeeded) {
    console.log(
      '\nmodels/vgg16 holds seeded random weights: its features show the format, not what is in a picture.',
    );
  }
  // The seeded model is where the trained one belongs.
  const fetch = `npm start -- model fetch vgg16${isSeeded ? ' --overwrite' : ''}`;
  console.log(`
Next:
  npm start -- <your images> --mode pixels --out out/pixels
  ${fetch.padEnd(48)} the weights trained on ImageNet
  npm start -- <your images> --mode vgg16 --out out/vgg16
  ${'npm start -- setup --gpu'.padEnd(48)} TensorFlow for an NVIDIA GPU
  npm start -- --help
After \`npm link\`, write img2features in place of npm start --`);
}
