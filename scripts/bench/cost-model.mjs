/**
 * `node scripts/bench/cost-model.mjs <bench.json> [--price 1]`: the tables of docs/cost.md from what
 * `npm run bench -- --only sizes,layers --json bench.json` measured. Prices are the reader's: 1 an hour unless given.
 *
 * The model: decoding takes `d` core-seconds an image, the network runs `r` images a second when it has the device alone.
 *   pixels          cores / d
 *   network on CPU  1 / (d / cores + 1 / r)     the two share the cores
 *   network on GPU  min(cores / d, r)           the slower one decides
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { machineLine, markdown, round } from './lib/measure.mjs';

const MILLION = 1e6;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { price: { type: 'string', default: '1' } },
});
const [file] = positionals;
if (file === undefined) throw new Error('Expected the JSON of a bench run.');
const { machine, rows } = JSON.parse(readFileSync(file, 'utf8'));
const price = Number(values.price);
const sizes = rows.filter(({ stage }) => stage === 'sizes');
const layers = rows.filter(({ stage }) => stage === 'layers');
const { cores } = machine;

console.log(`Measured on ${machineLine(machine)}.\n`);
console.log(table('Pixels (10×10), by image size', pixels()));
console.log(table('VGG16 on this CPU, by layer and image size', network()));
console.log(table('What decoding to 224×224 allows: a GPU beyond this rate waits', feeding()));

function pixels() {
  return sizes
    .filter(({ target }) => target === 10)
    .map((row) => [name(row), 'decode and resize', ...cost((1000 / row.median) * cores)]);
}

function network() {
  return layers.flatMap((layer) =>
    sizes
      .filter(({ target }) => target === 224)
      .map((row) => {
        const decode = row.median / 1000 / cores;
        const engine = 1 / layer.median;
        const bottleneck = decode > engine ? 'decode and resize' : 'the network';
        return [`${layer.layer}, ${name(row)}`, bottleneck, ...cost(1 / (decode + engine))];
      }),
  );
}

function feeding() {
  const to224 = sizes.filter(({ target }) => target === 224);
  return to224.flatMap((row) =>
    [8, 16, 32].map((n) => [
      `${name(row)}, ${n} cores like these`,
      'decode and resize',
      ...cost((1000 / row.median) * n),
    ]),
  );
}

function name({ what }) {
  return /(\d+×\d+), /.exec(what)?.[1];
}

/** @param {number} rate images a second */
function cost(rate) {
  const hours = MILLION / rate / 3600;
  return [
    round(rate),
    Math.round(rate * 3600).toLocaleString('en'),
    round(hours),
    round(hours * price),
  ];
}

function table(title, lines) {
  const head = [
    'what',
    'bottleneck',
    'images/s',
    'images/hour',
    'hours for a million',
    `cost of a million at ${price} an hour`,
  ];
  return `### ${title}\n\n${markdown(head, lines)}\n`;
}
