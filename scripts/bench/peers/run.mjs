/**
 * `npm run bench:peers -- [--dataset <folder>] [--images 128] [--many 30000] [--repeat 3] [--only vgg16,pixels,spark] [--without spark,torch]
 *     [--model models/vgg16] [--json <file>]`
 *
 * The same images and the same (seeded) weights through img2features and its peers, in turn, in one session; the outputs are compared
 * before a ratio is printed. Python packages go into environments in the cache folder (PyTorch alone is 3 GB).
 * Nothing else should run meanwhile.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { drawnDataset } from '../lib/drawn-dataset.mjs';
import { machine } from '../lib/machine.mjs';
import { comparePixels } from './pixels.mjs';
import { compareSpark } from './spark.mjs';
import { peersTable } from './table.mjs';
import { compareVgg16 } from './vgg16.mjs';

const { values } = parseArgs({
  options: {
    dataset: { type: 'string' },
    images: { type: 'string', default: '128' },
    many: { type: 'string', default: '30000' },
    repeat: { type: 'string', default: '3' },
    only: { type: 'string', default: 'vgg16,pixels,spark' },
    without: { type: 'string', default: '' },
    model: { type: 'string', default: 'models/vgg16' },
    json: { type: 'string' },
  },
});
const scratch = mkdtempSync(join(tmpdir(), 'img2features-peers-'));
const jobs = values.only.split(',');
try {
  const common = {
    dataset: values.dataset ?? (await drawnDataset(scratch)),
    repeat: Number(values.repeat),
    without: values.without.split(','),
    scratch,
  };
  const results = [];
  if (jobs.includes('vgg16')) {
    const images = Number(values.images);
    results.push(await compareVgg16({ ...common, images, model: values.model }));
  }
  if (jobs.includes('pixels')) {
    results.push(await comparePixels({ ...common, images: Number(values.many) }));
  }
  if (jobs.includes('spark')) {
    results.push(...(await compareSpark({ ...common, model: values.model })));
  }
  const report = { machine: machine(), results };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  console.log(peersTable(report));
} finally {
  await rm(scratch, { recursive: true, force: true });
}
