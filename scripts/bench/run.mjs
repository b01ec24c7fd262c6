/**
 * `npm run bench -- [--dataset <folder>] [--only decode,resize,sizes,engine,layers,pca,write,feed,start,pipeline,inputs] [--repeat 5] [--many 10000,30000]
 *     [--model models/vgg16] [--device auto] [--python <python with scikit-learn, pyarrow>] [--json <file>]`
 *
 * Each stage alone, then whole processes: medians, every output verified. A table on stdout, JSON into a file; each row
 * goes to stderr and into the file as soon as it is measured.
 *
 * `npm run bench:peers -- [--dataset <folder>] [--images 128] [--many 30000] [--repeat 3] [--only vgg16,networks,pixels,spark,s3]
 *     [--without torch,spark,spark-full] [--model models/vgg16] [--json <file>]`
 *
 * The same images and the same (seeded) weights through img2features and its peers, in turn, in one session; the outputs
 * are compared before a ratio is printed. Python packages go into environments in the cache folder (PyTorch alone is 3 GB).
 * `networks` is not among them unless named: ResNet50, MobileNetV2, EfficientNetB0, DenseNet121, VGG16 (those not named in --without)
 *     against ONNX Runtime and OpenVINO, VGG16 (of --model) against ncnn, too.
 * `s3` is in neither unless named: whole runs from a local S3 server, near and behind 100 ms, or against boto3 that only fetches.
 *
 * Nothing else should run meanwhile; such machines are noisy all the same, so trust ratios of one run.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { drawnDataset, imagesOf } from './lib/dataset.mjs';
import { machine, machineLine, markdown, markdownRow, range } from './lib/measure.mjs';
import { peersTable } from './peers/contest.mjs';

/** The file of each stage, in the order of the data's way. */
const STAGES = {
  decode: 'images',
  resize: 'images',
  sizes: 'images',
  engine: 'network',
  layers: 'network',
  pca: 'pca',
  write: 'write',
  feed: 'feed',
  start: 'start',
  pipeline: 'pipeline',
  inputs: 'inputs',
  s3: 's3',
};
const JOBS = ['vgg16', 'networks', 'pixels', 'spark', 's3'];

const text = /** @type {{ type: 'string' }} */ ({ type: 'string' });
const { values } = parseArgs({
  options: {
    peers: { type: 'boolean', default: false },
    dataset: text,
    only: text,
    repeat: text,
    many: text,
    json: text,
    python: text,
    model: { ...text, default: 'models/vgg16' },
    device: { ...text, default: 'auto' },
    images: { ...text, default: '128' },
    without: { ...text, default: '' },
  },
});
const { peers, model, device, python, json } = values;
const many = values.many ?? (peers ? '30000' : '10000,30000');
const scratch = mkdtempSync(join(tmpdir(), 'img2features-bench-'));
try {
  const dataset = values.dataset ?? (await drawnDataset(scratch, peers));
  const repeat = Number(values.repeat ?? (peers ? 3 : 5));
  const counts = many.split(',').filter(Boolean).map(Number);
  const common = { dataset, repeat, model, scratch, many: counts };
  await (peers ? measurePeers(common) : measureStages(common));
} finally {
  await rm(scratch, { recursive: true, force: true });
}

async function measureStages(common) {
  const options = { ...common, device, python, images: imagesOf(common.dataset) };
  const report = { machine: machine(), rows: /** @type {object[]} */ ([]) };
  const cells = (row) => [row.stage, row.what, range(row, row.unit), row.runs];
  const unlessNamed = Object.keys(STAGES).filter((stage) => stage !== 's3');
  for (const stage of chosen(Object.keys(STAGES), unlessNamed.join(','))) {
    const found = await import(`./stages/${STAGES[stage]}.mjs`);
    for await (const row of found[stage](options)) {
      report.rows.push(row);
      console.error(markdownRow(cells(row)));
      save(report);
    }
  }
  const head = ['stage', 'what', 'median (least–most)', 'runs'];
  console.log(`${machineLine(report.machine)}\n\n${markdown(head, report.rows.map(cells))}`);
}

async function measurePeers(common) {
  const jobs = await import('./peers/jobs.mjs');
  const options = { ...common, images: Number(values.images), without: values.without.split(',') };
  const report = { machine: machine(), results: /** @type {object[]} */ ([]) };
  for (const job of chosen(JOBS, 'vgg16,pixels,spark')) {
    report.results.push(...(await jobs[job](options)));
    save(report);
  }
  console.log(peersTable(report));
}

/** @param {string[]} all @param {string} [unless] named */
function chosen(all, unless = all.join(',')) {
  const only = (values.only ?? unless).split(',');
  const unknown = only.find((name) => !all.includes(name));
  if (unknown === undefined) return all.filter((name) => only.includes(name));
  throw new Error(`Expected some of ${all.join(', ')} for --only but found ${unknown}.`);
}

function save(report) {
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
}
