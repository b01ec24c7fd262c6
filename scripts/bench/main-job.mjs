/**
 * The figures of the README's "Numbers", measured on this machine: whole processes, medians, peers in turn
 * in the same run. Nothing else should run meanwhile.
 *
 *   npm run build && node scripts/bench/main-job.mjs <dataset folder> [--python <python with pillow, scikit-learn, pyarrow>]
 *       [--repeat 5] [--images-list <list of 64 images>] [--model models/vgg16] [--many]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string' },
    repeat: { type: 'string', default: '5' },
    'images-list': { type: 'string' },
    model: { type: 'string', default: 'models/vgg16' },
    many: { type: 'boolean', default: false },
  },
});
const [dataset] = positionals;
if (dataset === undefined) throw new Error('Expected a dataset folder.');
const repeat = Number(values.repeat);
const cli = new URL('../../dist/cli.js', import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), 'img2features-bench-'));
const result = { machine: machine(), repeat };

try {
  result.pixels = comparePixels();
  if (values.many) result.memory = memoryOfMany();
  if (values['images-list'] !== undefined) result.vgg16 = vgg16(values['images-list']);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(JSON.stringify(result, null, 2));

/** The whole pixels job against plain Python, in turn. */
function comparePixels() {
  const ours = [];
  const theirs = [];
  for (let i = 0; i < repeat + 1; i++) {
    const run = timed(process.execPath, [
      cli,
      dataset,
      '--mode',
      'pixels',
      '--format',
      'parquet,json',
      '--out',
      join(scratch, 'pixels'),
      '--overwrite',
      '--quiet',
    ]);
    if (i > 0) ours.push(run.seconds); // the first warms the disk's cache
    if (values.python === undefined) continue;
    const script = new URL('./plain_pixels.py', import.meta.url).pathname;
    const peer = timed(values.python, [script, dataset, join(scratch, 'plain')]);
    if (i > 0) theirs.push(peer.seconds);
  }
  execFileSync(process.execPath, [cli, 'verify', join(scratch, 'pixels')]);
  const oursMedian = median(ours);
  return {
    images: readRun('pixels').counts.extracted,
    img2featuresSeconds: spread(ours),
    ...(theirs.length > 0 && {
      plainPythonSeconds: spread(theirs),
      ratio: round(median(theirs) / oursMedian),
    }),
  };
}

/** Peak memory on 10,000 and 30,000 images (hard links to the dataset's). */
function memoryOfMany() {
  const sources = readdirSync(dataset, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const many = join(scratch, 'many');
  const made = [];
  for (let i = 0; i < 30_000; i++) {
    const source = sources[i % sources.length];
    const copy = Math.floor(i / sources.length);
    const folder = join(many, `copy-${copy}`, basename(join(source, '..')));
    mkdirSync(folder, { recursive: true });
    const name = join(folder, basename(source));
    try {
      linkSync(source, name);
    } catch {
      // Another file system: links cannot reach it.
      execFileSync('cp', [source, name]);
    }
    made.push(name);
  }
  return [10_000, 30_000].map((limit) => {
    const run = timed(process.execPath, [
      cli,
      many,
      '--mode',
      'pixels',
      '--format',
      'parquet,json',
      '--limit',
      String(limit),
      '--out',
      join(scratch, 'many-out'),
      '--overwrite',
      '--quiet',
    ]);
    return { images: limit, seconds: round(run.seconds), peakRssMB: round(run.peakKB / 1000) };
  });
}

/** Files to Parquet against the network alone on ready batches, as run.json tells both. */
function vgg16(list) {
  const runs = [];
  for (let i = 0; i < Math.min(repeat, 3); i++) {
    const run = timed(process.execPath, [
      cli,
      list,
      '--mode',
      'vgg16',
      '--model',
      values.model,
      '--out',
      join(scratch, 'vgg16'),
      '--overwrite',
      '--log',
      'json',
    ]);
    const { stagesMs, counts } = readRun('vgg16');
    runs.push({
      images: counts.extracted,
      wholeProcessSeconds: round(run.seconds),
      engineStartSeconds: round(stagesMs.engineStart / 1000),
      engineImagesPerSecond: round(stagesMs.engineImagesPerSecond),
      pipelineImagesPerSecond: round(stagesMs.pipelineImagesPerSecond),
      pipelineShareOfEngine: round(
        stagesMs.pipelineImagesPerSecond / stagesMs.engineImagesPerSecond,
      ),
    });
  }
  return runs;
}

function readRun(name) {
  return JSON.parse(readFileSync(join(scratch, name, 'run.json'), 'utf8'));
}

/** Runs a command to its end: wall seconds and the largest resident set of it or a child, in kB. */
function timed(command, args) {
  const start = process.hrtime.bigint();
  const run = spawnSync('/usr/bin/time', ['-f', 'peak=%M', command, ...args], { encoding: 'utf8' });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (run.status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${run.stderr}`);
  return { seconds, peakKB: Number(/peak=(\d+)/.exec(run.stderr)?.[1]) };
}

function machine() {
  const [cpu] = cpus();
  return {
    cpu: cpu.model,
    cores: cpus().length,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}

function spread(seconds) {
  return {
    min: round(Math.min(...seconds)),
    median: round(median(seconds)),
    max: round(Math.max(...seconds)),
  };
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

function round(value) {
  return Math.round(value * 1000) / 1000;
}
