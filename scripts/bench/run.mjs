/**
 * `npm run bench -- [--dataset <folder>] [--only decode,resize,sizes,engine,layers,pca,write,pipeline] [--repeat 5] [--many 10000,30000]
 *     [--model models/vgg16] [--device auto] [--python <python with scikit-learn>] [--json <file>]`
 *
 * Each stage alone, then whole processes: medians, every output verified. A table on stdout, JSON into a file; each row
 * goes to stderr and into the file as soon as it is measured.
 * Nothing else should run meanwhile; such machines are noisy all the same, so trust ratios of one run.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { drawnDataset } from './lib/drawn-dataset.mjs';
import { machine } from './lib/machine.mjs';
import { imagesOf } from './lib/many-images.mjs';

/** In the order of the data's way. */
const STAGES = ['decode', 'resize', 'sizes', 'engine', 'layers', 'pca', 'write', 'pipeline'];

const { values } = parseArgs({
  options: {
    dataset: { type: 'string' },
    only: { type: 'string', default: STAGES.join(',') },
    repeat: { type: 'string', default: '5' },
    many: { type: 'string', default: '10000,30000' },
    model: { type: 'string', default: 'models/vgg16' },
    device: { type: 'string', default: 'auto' },
    python: { type: 'string' },
    json: { type: 'string' },
  },
});
const scratch = mkdtempSync(join(tmpdir(), 'img2features-bench-'));
try {
  const dataset = values.dataset ?? (await drawnDataset(scratch));
  const options = {
    repeat: Number(values.repeat),
    many: values.many.split(',').filter(Boolean).map(Number),
    model: values.model,
    device: values.device,
    python: values.python,
    images: imagesOf(dataset),
    dataset,
    scratch,
  };
  const rows = [];
  const report = { machine: machine(), rows };
  const save = () => {
    if (values.json === undefined) return;
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  };
  for (const stage of STAGES.filter((name) => values.only.split(',').includes(name))) {
    const { measure } = await import(`./stages/${stage}.mjs`);
    for await (const row of measure(options)) {
      rows.push(row);
      console.error(line(row));
      save();
    }
  }
  console.log(table(report));
} finally {
  await rm(scratch, { recursive: true, force: true });
}

function table({ machine: { cpu, cores, node, date, commit }, rows }) {
  const head = `${cores} cores, ${cpu}, Node ${node}, ${date}, commit ${commit}`;
  return [
    head,
    '',
    '| stage | what | median (least–most) | runs |',
    '|---|---|---|---|',
    ...rows.map(line),
  ].join('\n');
}

function line({ stage, what, unit, median, min, max, runs }) {
  const range = runs > 1 ? ` (${min}–${max})` : '';
  return `| ${stage} | ${what} | ${median} ${unit}${range} | ${runs} |`;
}
