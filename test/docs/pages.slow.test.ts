import { spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLASSES, drawImage } from '../../src/demo/draw-images.ts';
import { initModel } from '../../src/model/init-model.ts';
import { loadScript } from '../scripts/load-script.ts';
import { skipNow } from '../skip-if.ts';
import { readPage } from './read-page.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BLOCK_MS = 120_000;

/** Blocks that are not run here, and why. */
const NOT_RUN = {
  '../README.md: npm start': '.ci/run and whoever clones this run them',
  'layers.md: img2features model convert my-model.keras --until avg_pool':
    'needs a file of Keras; test/convert/tfjs-folder.test.ts converts one',
  'gpu.md: sudo apt-get install --yes python3-pip g++':
    'needs a GPU; test/runtime has what goes without one',
  'gpu.md: docker build -f Dockerfile.cuda -t img2features:cuda .': 'needs Docker and a GPU',
  'gpu.md: img2features setup --gpu && img2features model fetch vgg16':
    'test/pack packs and unpacks',
  'gpu.md: python3 -m pip install --target ~/tensorflow-sm120 ./tensorflow-*.whl':
    'needs a build of TensorFlow; test/runtime/own-runtime.test.ts has it in small',
  'jobs.md: array=$(sbatch --parsable features.sbatch)':
    'needs SLURM; the block after it runs the script without it',
  'worker-protocol.md: img2features pack --model models/vgg16': 'test/pack packs and unpacks',
};

/** What a page takes for given. */
const BEFORE: Record<string, string> = {
  'report.md': `img2features dataset --mode pixels --out features
    img2features dataset/Test --mode pixels --out other-features`,
};

/** Runs anywhere that the tests run; the others need Python packages or a store. */
const PAGES = ['../README.md', 'layers.md', 'gpu.md', 'update.md', 'report.md', 'jobs.md'];
const PYTHON_PAGES = ['../SKILL.md', 'training.md', 'search.md', 'worker-protocol.md'];

/** How many classifiers a page trains. */
const ACCURACIES: Record<string, number> = { '../SKILL.md': 1, 'training.md': 4 };

let dir: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'docs-pages-'));
  await drawPart('Training', 16);
  await drawPart('Test', 6);
  await initModel({
    architecture: 'vgg16',
    seed: 1,
    width: 1 / 16,
    dir: join(dir, 'models/vgg16'),
  });
  mkdirSync(join(dir, 'bin'));
  const command = `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, 'dist/cli.js')}" "$@"\n`;
  writeFileSync(join(dir, 'bin/img2features'), command);
  chmodSync(join(dir, 'bin/img2features'), 0o755);
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  env = { ...process.env, PATH: [join(dir, 'bin'), process.env.PATH].join(delimiter) };
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('every page is in the list of pages, and every page of the list is there', () => {
  const listed = [
    ...readFileSync(join(ROOT, 'docs/README.md'), 'utf8').matchAll(/\]\((\S+\.md)\)/g),
  ];
  const there = readdirSync(join(ROOT, 'docs')).filter(
    (name) => name.endsWith('.md') && name !== 'README.md',
  );
  expect(listed.map(([, name]) => name).sort()).toEqual(there.sort());
});

test('links between the pages lead somewhere', () => {
  for (const name of ['../README.md', '../llms.txt', ...readdirSync(join(ROOT, 'docs'))]) {
    if (!/\.(md|txt)$/.test(name)) continue;
    const page = readFileSync(join(ROOT, 'docs', name), 'utf8');
    for (const [, link] of page.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      expect(
        () => readFileSync(join(ROOT, 'docs', dirname(name), link!)),
        `${name}: ${link}`,
      ).not.toThrow();
    }
  }
});

test.each(PAGES)('the commands of %s', { timeout: BLOCK_MS }, async (page) => {
  const { ran, skipped } = await runPage(page);
  expect(ran).toBeGreaterThan(0);
  expect(skipped.map((line) => line.split('  ')[0])).toEqual(
    Object.keys(NOT_RUN).filter((name) => name.startsWith(page)),
  );
});

describe('python', () => {
  test.each(PYTHON_PAGES)('the commands of %s', { timeout: 5 * BLOCK_MS }, async (page) => {
    const { pythonEnvironment } = await loadScript('lib/python-environment.mjs');
    const python: string = pythonEnvironment('docs', join(ROOT, 'test/docs/requirements.txt'));
    const { output } = await runPage(page, { python });
    for (const [, accuracy] of output.matchAll(/"accuracy": ?([\d.]+)/g)) {
      // Six drawn classes: guessing gives 0.17.
      expect(Number(accuracy), output).toBeGreaterThan(0.5);
    }
    expect([...output.matchAll(/"accuracy"/g)]).toHaveLength(ACCURACIES[page] ?? 0);
  });
});

test('the commands of s3.md, against a real store', { timeout: 10 * BLOCK_MS }, async (context) => {
  const { startS3Server } = await loadScript('../test/s3/s3-server.mjs');
  const server = await startS3Server();
  if (server === undefined)
    return skipNow(context, 'neither Go nor Python can give an S3 server here');
  try {
    const { accessKeyId, secretAccessKey } = server.credentials;
    const store = {
      ENDPOINT: server.endpoint,
      AWS_ENDPOINT_URL_S3: server.endpoint,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_REGION: 'us-east-1',
      AWS_EC2_METADATA_DISABLED: 'true',
      IMG2FEATURES_S3_PATH_STYLE: 'true',
    };
    await fillBuckets(server.endpoint, server.credentials);
    const { ran } = await runPage('s3.md', { store });
    expect(ran).toBe(3);
    const policy = readPage('s3.md').find(({ note }) => note === 'policy');
    expect(JSON.parse(policy!.code).Statement).toHaveLength(4);
  } finally {
    await server.stop();
  }
});

/** Drawn shapes, each class in a colour of its own, so that there is something to learn. */
async function drawPart(part: string, imagesPerClass: number) {
  for (const [k, shape] of (CLASSES as string[]).entries()) {
    mkdirSync(join(dir, 'dataset', part, shape), { recursive: true });
    const tint = [(k * 97) % 256, (k * 53 + 80) % 256, (k * 151 + 160) % 256];
    for (let n = 0; n < imagesPerClass; n++) {
      const seed = (part.length * 100 + k) * 1000 + n;
      const { data, width, height } = drawImage(shape, { seed, minSize: 40, maxSize: 60 });
      for (let i = 0; i < data.length; i++) data[i] = 0.25 * data[i] + 0.75 * tint[i % 3]!;
      await sharp(data, { raw: { width, height, channels: 3 } }).toFile(
        join(dir, 'dataset', part, shape, `${shape}-${n}.jpg`),
      );
    }
  }
}

/** Writes the page's programs and runs its commands in order; stops at the first that fails. */
async function runPage(page: string, { python, store }: { python?: string; store?: object } = {}) {
  // A folder of its own: pages use the same names.
  const cwd = join(dir, basename(page, '.md'));
  mkdirSync(cwd);
  for (const name of ['dataset', 'models', 'node_modules']) {
    symlinkSync(join(dir, name), join(cwd, name));
  }
  const skipped: string[] = [];
  let output = '';
  let ran = 0;
  const shellEnv = { ...env, ...store };
  if (python !== undefined) shellEnv.PATH = [join(python, '..'), env.PATH].join(delimiter);
  const before = await shell(BEFORE[page] ?? 'true', cwd, shellEnv);
  expect(before.status, before.text).toBe(0);
  for (const { language, note, code } of readPage(page)) {
    const isFile = /\.(py|m?js|sbatch)$/.test(note);
    if (isFile) writeFileSync(join(cwd, note), code);
    if (language !== 'sh' || isFile) continue;
    if (note === 'norun') {
      skipped.push(`${page}: ${code.split('\n')[0]}`);
      continue;
    }
    const { status, text } = await shell(code, cwd, shellEnv);
    expect(status, `${code}\n${text}`).toBe(0);
    output += text;
    ran++;
  }
  return { ran, skipped, output };
}

async function shell(code: string, cwd: string, shellEnv: NodeJS.ProcessEnv) {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', code], {
    cwd,
    env: shellEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk;
    });
  }
  const status = await new Promise<number | null>((done, fail) => {
    child.on('error', fail);
    child.on('close', done);
  });
  return { status, text };
}

async function fillBuckets(
  endpoint: string,
  credentials: { accessKeyId: string; secretAccessKey: string },
) {
  const { CreateBucketCommand, PutObjectCommand, S3Client } = await import('@aws-sdk/client-s3');
  const s3 = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  for (const Bucket of ['images', 'tables']) await s3.send(new CreateBucketCommand({ Bucket }));
  for (const name of readdirSync(join(dir, 'dataset/Test'), { recursive: true }).map(String)) {
    if (!/\.\w+$/.test(name)) continue;
    const Body = readFileSync(join(dir, 'dataset/Test', name));
    await s3.send(new PutObjectCommand({ Bucket: 'images', Key: `dataset/${name}`, Body }));
  }
  s3.destroy();
}
