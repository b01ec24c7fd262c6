import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { runInProcess } from '../e2e/run-cli.ts';
import { solidPng } from './solid-png.ts';

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'img2features-dry-run-'));
  vi.stubEnv('IMG2FEATURES_CACHE', join(dir, 'cache'));
  for (const name of ['red', 'blue']) await mkdir(join(dir, 'images', name), { recursive: true });
  await writeFile(join(dir, 'images/red/1.png'), solidPng(20, 10, [200, 0, 0]));
  await writeFile(join(dir, 'images/red/2.jpg'), solidPng(12, 12, [180, 0, 0]));
  await copyFile(join(dir, 'images/red/1.png'), join(dir, 'images/blue/1.png'));
  await writeFile(join(dir, 'images/blue/broken.jpg'), 'no image');
  await writeFile(join(dir, 'images/notes.txt'), 'x');
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

test('a dry run says what it found, and writes nothing', async () => {
  const { stdout, status, stderr } = await runInProcess(
    dir,
    'images',
    '--mode',
    'pixels',
    '--format',
    'parquet,npy',
    '--out',
    'out',
    '--dry-run',
  );
  expect(stderr).toBe('');
  expect(status).toBe(1); // one image would be rejected
  expect(stdout).toContain('images: 4 images');
  expect(stdout).toContain('1 skipped: extension .txt 1');
  expect(stdout).toMatch(/Formats: jpg 2, png 2; of 4 looked into: png 3, unknown 1/);
  expect(stdout).toMatch(/^ {2}blue +2 +\d+ B$/m);
  expect(stdout).toContain('1 of them with the same size twice');
  expect(stdout).toContain('images/blue/1.png and images/red/1.png');
  expect(stdout).toContain('1 of the 4 images tried would be rejected:');
  expect(stdout).toMatch(/Output: parquet up to [\d.]+ kB, npy up to [\d.]+ kB/);
  expect(stdout).toMatch(/Time: about .*, between .* and .*: decoding .* images\/s/);
  expect(existsSync(join(dir, 'out'))).toBe(false);
});

test('as JSON it has the same facts', async () => {
  const { stdout } = await runInProcess(
    dir,
    'images',
    '--mode',
    'pixels',
    '--out',
    'out',
    '--dry-run',
    '--log',
    'json',
  );
  const facts = JSON.parse(stdout);
  expect(facts).toMatchObject({
    event: 'dry-run',
    images: 4,
    ignored: 1,
    skipped: { 'extension .txt': 1 },
    classes: { blue: 2, red: 2 },
    sameNameAndSize: 1,
    sample: { images: 4, formats: { png: 3, unknown: 1 } },
    network: null,
    output: [{ format: 'parquet' }],
  });
  expect(facts.time.least).toBeLessThan(facts.time.seconds);
});

test('a small network is measured on the spot, and the rate is kept for the next time', async () => {
  await runInProcess(
    dir,
    'model',
    'init',
    'mobilenetv2',
    '--width',
    '0.35',
    '--out',
    'tiny',
    '--no-top',
  );
  const args = ['images', '--mode', 'cnn', '--model', 'tiny', '--pool', 'avg', '--device', 'wasm'];
  const { stdout } = await runInProcess(dir, ...args, '--out', 'out', '--dry-run', '--log', 'json');
  const { network, columns, time } = JSON.parse(stdout);
  expect(network).toMatchObject({ device: 'wasm', from: 'dry-run' });
  expect(network.imagesPerSecond).toBeGreaterThan(0);
  expect(time.seconds).toBeGreaterThan(0);
  expect(columns[2]).toEqual({ name: 'cnn_vectors', length: 448 });
  const kept = JSON.parse(await readFile(join(dir, 'cache', 'rates.json'), 'utf8'));
  expect(Object.values(kept)).toMatchObject([{ imagesPerSecond: network.imagesPerSecond }]);
  expect(existsSync(join(dir, 'out'))).toBe(false);
});
