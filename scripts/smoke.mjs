/**
 * `npm run smoke`: the built command on drawn images, without any set-up: pixels, a small network on WebAssembly, an
 * update, and `verify` of both. For machines on which the tests are not run (macOS, Windows).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeDataset } from '../dist/demo/draw-images.js';
import { CLI } from './bootstrap.mjs';

const dir = mkdtempSync(join(tmpdir(), 'img2features-smoke-'));
const env = { ...process.env, IMG2FEATURES_CACHE: join(dir, 'cache') };

/** @param {number} expected exit status @param {string} line */
function run(expected, line) {
  console.log(`$ img2features ${line}`);
  const { status } = spawnSync(process.execPath, [CLI, ...line.split(' ')], {
    cwd: dir,
    env,
    stdio: 'inherit',
  });
  if (status === expected) return;
  throw new Error(`Expected exit status ${expected} of ${line} but found ${status}.`);
}

/** @param {string} out @param {number} rows @param {string} column @param {number} length */
function expectTable(out, rows, column, length) {
  const text = readFileSync(join(dir, out, 'json', 'part-00000.json'), 'utf8');
  const table = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const found = `${table.length} rows of ${table[0][column]?.length} values in ${column}`;
  const expected = `${rows} rows of ${length} values in ${column}`;
  if (found !== expected) throw new Error(`Expected ${expected} of ${out} but found ${found}.`);
}

try {
  // One image is cut in half: one rejection, so exit status 1.
  const drawn = { seed: 1, imagesPerClass: 4, minSize: 20, maxSize: 60, withBroken: true };
  await writeDataset(join(dir, 'images'), drawn);
  run(1, 'images --mode pixels --format json,parquet --out pixels');
  expectTable('pixels', 24, 'vectors', 300);
  run(0, 'verify pixels');
  run(0, 'model init mobilenetv2 --width 0.35 --no-top --out tiny');
  const network = '--mode cnn --model tiny --pool avg --device wasm';
  run(1, `images ${network} --format json,parquet --out features`);
  expectTable('features', 24, 'cnn_vectors', 448);
  run(0, 'verify features');
  rmSync(join(dir, 'images', 'ring'), { recursive: true });
  run(1, `images ${network} --format json,parquet --out features --update`);
  expectTable('features', 20, 'cnn_vectors', 448);
  console.log('The smoke run is complete.');
} finally {
  rmSync(dir, { recursive: true, force: true });
}
