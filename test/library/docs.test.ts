import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import * as api from '../../src/index.ts';
import { readPage } from '../docs/read-page.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(join(ROOT, 'docs', 'library.md'), 'utf8');

/** Programs by the file name behind their language. */
const examples = new Map(
  readPage('library.md')
    .filter(({ language, note }) => language === 'js' && note !== '')
    .map(({ note, code }) => [note, code]),
);

let dir: string;
let images: string[];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'library-docs-'));
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(ROOT, join(dir, 'node_modules', 'img2features'));
  const drawn = { seed: 1, imagesPerClass: 3, minSize: 20, maxSize: 40, withBroken: true };
  await writeDataset(join(dir, 'dataset'), drawn);
  const files = readdirSync(join(dir, 'dataset'), { recursive: true }).map(String).sort();
  images = files.filter((name) => /\d\.jpg$/.test(name)).map((name) => join(dir, 'dataset', name));
  copyFileSync(images[0]!, join(dir, 'a.jpg'));
  copyFileSync(images[1]!, join(dir, 'b.jpg'));
  await api.initModel({
    architecture: 'vgg16',
    seed: 1,
    width: 1 / 16,
    dir: join(dir, 'models', 'vgg16'),
  });
  for (const [name, code] of examples) writeFileSync(join(dir, name), code);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function run(name: string): string[] {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', name], {
    cwd: dir,
    encoding: 'utf8',
  });
  expect({ status, stderr: stderr.replace(/^.*circle-broken\.jpg truncated\n/, '') }).toEqual({
    status: 0,
    stderr: '',
  });
  return stdout.trimEnd().split('\n');
}

test('the page has these examples', () => {
  expect([...examples.keys()]).toEqual([
    'embed.mjs',
    'server.mjs',
    'batches.mjs',
    'table.mjs',
    'batches.cjs',
  ]);
});

test('vectors of a few images', () => {
  expect(run('embed.mjs')).toEqual(['0 256 values', '1 256 values']);
});

test('batches of a whole folder', () => {
  const lines = run('batches.mjs');
  expect(lines.length).toBeGreaterThan(2);
  for (const line of lines) expect(line).toMatch(/^\w+ 3 -?[\d.e-]+$/);
});

test('a table, and its PCA on a new image', () => {
  expect(run('table.mjs')).toEqual([expect.stringMatching(/^\d+ rows, 1 rejected$/), '5 true']);
});

test('CommonJS', () => {
  const lines = run('batches.cjs');
  expect(lines.length).toBeGreaterThan(6);
  for (const line of lines) expect(line).toMatch(/^dataset\/(\w+)\/\1-\d+\.\w+ \1 300$/);
});

test('a server', { timeout: 30_000 }, async () => {
  const child = spawn(process.execPath, ['server.mjs'], {
    cwd: dir,
    env: { ...process.env, PORT: '0' },
  });
  const exited = once(child, 'exit');
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const [address] = line.split(' ') as [string];
    const post = async (body: BodyInit) => {
      const response = await fetch(address, { method: 'POST', body });
      return [
        response.status,
        (await response.json()) as { vector: number[]; reason: string },
      ] as const;
    };
    const answers = await Promise.all(
      [...images, ...images].map((file) => post(readFileSync(file))),
    );
    for (const [i, [, { vector }]] of answers.entries()) {
      expect(answers[i]).toMatchObject([200, {}]);
      expect(vector).toHaveLength(256);
      const twin = answers[(i + images.length) % answers.length]![1].vector;
      expect(Math.max(...vector.map((value, j) => Math.abs(value - twin[j]!)))).toBeLessThan(1e-3);
    }
    expect(answers[0]![1].vector).not.toEqual(answers[1]![1].vector);
    expect(await post('no image')).toMatchObject([422, { reason: 'not_an_image' }]);
    expect((await post(new Uint8Array(21e6)))[0]).toBe(413);
    expect((await post(readFileSync(images[0]!)))[0]).toBe(200);
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});

test('every export is on the page', () => {
  const missing = Object.keys(api).filter((name) => !PAGE.includes(`\`${name}\``));
  expect(missing).toEqual([]);
  const types = readFileSync(join(ROOT, 'src', 'index.ts'), 'utf8');
  const named = [...types.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list]) =>
    list!.split(',').map((name) => name.trim().replace(/^type /, '')),
  );
  expect(named.filter((name) => name !== '' && !PAGE.includes(`\`${name}\``))).toEqual([]);
});
