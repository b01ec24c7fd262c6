import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ensureGraph, graphsDir } from '../../../src/engine/graph/graph-cache.ts';
import { SAVED_MODEL_FILES } from '../../../src/engine/graph/write-saved-model.ts';
import { EngineError } from '../../../src/errors.ts';
import { NO_TENSORFLOW, skipIf } from '../../skip-if.ts';
import { rejection } from '../caught.ts';
import { found, open } from '../open-engines.ts';
import { temporaryDir, writeTinyModel } from '../tiny-model.ts';

const PIXELS = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
const FEATURES = Float32Array.of(118, 94);
const KEY = 'a'.repeat(64);
const { model, index, data } = SAVED_MODEL_FILES;

test('a graph that is there is not made again', async () => {
  const dir = temporaryDir();
  const path = await ensureGraph(dir, KEY, fill('one'));
  expect(path).toBe(join(dir, KEY));
  await ensureGraph(dir, KEY, fill('two'));
  expect(readFileSync(join(path, model), 'utf8')).toBe('one');
});

test.each([
  ['is cut', (path: string) => truncateSync(join(path, data), 2)],
  ['has another graph', (path: string) => writeFileSync(join(path, model), 'eno')],
  ['has another index', (path: string) => writeFileSync(join(path, index), 'eno')],
  ['lost its record', (path: string) => truncateSync(join(path, 'graph.json'), 0)],
])('a graph that %s is made again', async (_, damage) => {
  const dir = temporaryDir();
  const path = await ensureGraph(dir, KEY, fill('one'));
  damage(path);
  await ensureGraph(dir, KEY, fill('two'));
  expect(readFileSync(join(path, data), 'utf8')).toBe('two');
  expect(readdirSync(dir)).toEqual([KEY]);
});

test('a graph that cannot be written leaves nothing behind', async () => {
  const dir = temporaryDir();
  const failing = () => {
    throw new Error('no space left on the disk');
  };
  await expect(ensureGraph(dir, KEY, failing)).rejects.toThrow('no space left');
  expect(readdirSync(dir)).toEqual([]);
});

test('of several makers the first one wins, and the others use its graph', async () => {
  const dir = temporaryDir();
  const paths = await Promise.all(
    ['a', 'b', 'c', 'd'].map((text) => ensureGraph(dir, KEY, fill(text))),
  );
  expect(new Set(paths)).toEqual(new Set([join(dir, KEY)]));
  const texts = [model, index, data].map((name) => readFileSync(join(paths[0], name), 'utf8'));
  expect(new Set(texts).size).toBe(1);
  expect(readdirSync(dir)).toEqual([KEY]);
});

test('the five used last stay, and what was used a moment ago', async () => {
  const dir = temporaryDir();
  const keys = ['0', '1', '2', '3', '4', '5', '6'].map((digit) => digit.repeat(64));
  for (const key of keys) await ensureGraph(dir, key, fill(key));
  // All were used a moment ago.
  expect(readdirSync(dir)).toEqual(keys);
  for (const [hours, key] of keys.entries()) {
    const used = new Date(Date.now() - (hours === 6 ? 60_000 : (hours + 1) * 3_600_000));
    utimesSync(join(dir, key, 'graph.json'), used, used);
  }
  await ensureGraph(dir, KEY, fill('new'));
  // New, used a minute ago, and 1, 2 and 3 hours ago.
  expect(readdirSync(dir)).toEqual([keys[0], keys[1], keys[2], keys[6], KEY]);
});

describe('with TensorFlow', skipIf(found.cpu === undefined, NO_TENSORFLOW), () => {
  test('two processes that make a graph at once both run it', async () => {
    const folder = await writeTinyModel();
    const before = graphs();
    const engines = await Promise.all(
      [1, 2].map(() => open(folder, { device: 'cpu', engine: 'graph' })),
    );
    for (const engine of engines) expect(await engine.run(PIXELS.slice(), 1)).toEqual([FEATURES]);
    expect(graphs().length).toBe(before.length + 1);
  });

  test('weights that changed on the disk are seen by their checksum, and the graph is made again', async () => {
    const folder = await writeTinyModel();
    const first = await open(folder, { device: 'cpu', engine: 'graph', layers: 'flat,sum' });
    const dir = join(graphsDir(), newest());
    const path = join(dir, data);
    const intact = readFileSync(path);
    const damaged = Buffer.from(intact);
    damaged[8] ^= 0xff;
    writeFileSync(path, damaged);
    const second = await open(folder, { device: 'cpu', engine: 'graph', layers: 'flat,sum' });
    const expected = await first.run(PIXELS.slice(), 1);
    expect(await second.run(PIXELS.slice(), 1)).toEqual(expected);
    expect(expected[1]).toEqual(FEATURES);
    expect(readFileSync(path)).toEqual(intact);
  });

  test('where the cache cannot be written, auto says so and takes no other engine', async () => {
    const folder = await writeTinyModel();
    const cache = process.env.IMG2FEATURES_CACHE;
    const file = join(temporaryDir(), 'file');
    writeFileSync(file, '');
    const { TMPDIR } = process.env;
    process.env.IMG2FEATURES_CACHE = join(file, 'cache');
    // A temporary folder would take its place.
    process.env.TMPDIR = join(file, 'temporary');
    onTestFinished(() => {
      process.env.IMG2FEATURES_CACHE = cache;
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
    });
    const error = await rejection(EngineError, open(folder, { device: 'cpu' }));
    expect(error.message).toMatch(
      /^Expected room in the cache for the graph of .* but found: ENOTDIR/,
    );
    expect(error.fix).toMatch(/--engine eager\.$/);
    const engine = await open(folder, { device: 'cpu', engine: 'eager' });
    expect(await engine.run(PIXELS.slice(), 1)).toEqual([FEATURES]);
  });

  test('what a killed maker left is cleared away', async () => {
    const folder = await writeTinyModel();
    const options = { device: 'cpu', engine: 'graph', layers: 'conv,flat' } as const;
    await open(folder, options);
    const dir = join(graphsDir(), newest());
    // No process has this number: Linux counts to 4,194,304.
    const hidden = `.${basename(dir)}.img2features-${hostname()}-99999999-00000000`;
    const leftover = join(graphsDir(), hidden);
    mkdirSync(leftover);
    writeFileSync(join(leftover, 'saved_model.pb'), 'half');
    truncateSync(join(dir, data), 1);
    const engine = await open(folder, options);
    await engine.run(PIXELS.slice(), 1);
    expect(existsSync(leftover)).toBe(false);
  });
});

/** Writes a text as each of a SavedModel's files. */
function fill(text: string): (temp: string) => void {
  return (temp) => {
    mkdirSync(join(temp, 'variables'));
    for (const name of [model, index, data]) writeFileSync(join(temp, name), text);
  };
}

/** The graph made last. */
function newest(): string {
  const age = (name: string) => statSync(join(graphsDir(), name)).ctimeMs;
  return graphs().sort((a, b) => age(b) - age(a))[0];
}

function graphs(): string[] {
  return existsSync(graphsDir()) ? readdirSync(graphsDir()) : [];
}
