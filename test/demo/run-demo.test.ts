import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import h5wasm from 'h5wasm/node';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { officialWeights } from '../../src/convert/fetch/official-weights.ts';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { browserCommand } from '../../src/demo/open-page.ts';
import { initModel } from '../../src/model/init-model.ts';
import type { ModelFolder } from '../../src/model/model-folder.ts';
import { fakeBin } from '../runtime/fake-tools.ts';

// Built: it starts threads.
const { runDemo }: typeof import('../../src/demo/run-demo.ts') = await import(
  new URL('../../dist/demo/run-demo.js', import.meta.url).href
);

let dir: string;
let server: Server;
/** What the mirror has; without it, it says 404. */
let content: Buffer | undefined;
let asked: string[];
let said: string[];
let opened: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'demo-'));
  vi.stubEnv('IMG2FEATURES_CACHE', join(dir, 'cache')); // without TensorFlow
  vi.stubEnv('PATH', await fakeBin(dir, {})); // without pip, so without EfficientNet-Lite0
  content = undefined;
  [asked, said, opened] = [[], [], []];
  server = createServer((request, response) => {
    asked.push(request.url!);
    if (content === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-length': content.length }).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
  await rm(dir, { recursive: true });
});

function demo(options: Partial<Parameters<typeof runDemo>[0]> = {}) {
  const { port } = server.address() as AddressInfo;
  return runDemo({
    out: join(dir, 'demo'),
    models: join(dir, 'models'),
    signal: new AbortController().signal,
    say: (text) => said.push(text),
    onEvent: () => {},
    onDownload: undefined,
    open: async (page) => opened.push(page) > 0,
    drawn: { seed: 1, imagesPerClass: 1, minSize: 20, maxSize: 30, withBroken: true },
    vgg16: {
      mirror: `http://127.0.0.1:${port}/keras`,
      cacheDir: join(dir, 'cache'),
      network: { retries: 0 },
      ...(content && {
        official: {
          ...officialWeights('vgg16', false),
          md5: createHash('md5').update(content).digest('hex'),
        },
      }),
    },
    ...options,
  });
}

async function valuesOf(run: string, column: string): Promise<number[][]> {
  const table = await readFile(join(dir, 'demo', run, 'json', 'part-00000.json'), 'utf8');
  return table
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line)[column]);
}

/** The file as Keras published it in 2016, of a narrow VGG16: a group for each layer, `<layer>_W_1:0` and `<layer>_b_1:0`. */
async function publishedFile({ weights, weightsSha256 }: Stored): Promise<Buffer> {
  await h5wasm.ready;
  const path = join(dir, `${weightsSha256}.h5`);
  const file = new h5wasm.File(path, 'w');
  const layers = [...new Set(weights.map(({ name }) => name.split('/')[0]!))];
  file.create_attribute('layer_names', layers);
  for (const layer of layers) {
    const group = file.create_group(layer);
    const names = [`${layer}_W_1:0`, `${layer}_b_1:0`];
    group.create_attribute('weight_names', names);
    const own = weights.filter(({ name }) => name.startsWith(`${layer}/`));
    for (const [i, { values, shape }] of own.entries()) {
      group.create_dataset({ name: names[i]!, data: values, shape: [...shape] });
    }
  }
  file.close();
  return readFile(path);
}

interface Stored {
  readonly weights: readonly { name: string; shape: readonly number[]; values: Float32Array }[];
  readonly weightsSha256: string;
}

async function storedWeights({ dir: folder, weights, metadata }: ModelFolder): Promise<Stored> {
  const [shard] = (await readdir(folder)).filter((name) => name.endsWith('.bin'));
  const bytes = await readFile(join(folder, shard!));
  let at = 0;
  const values = (count: number) => {
    const part = bytes.subarray(at, at + 4 * count);
    at += part.length;
    return new Float32Array(Uint8Array.from(part).buffer);
  };
  return {
    weights: weights.map(({ name, shape }) => ({
      name,
      shape,
      values: values(shape.reduce((product, n) => product * n, 1)),
    })),
    weightsSha256: metadata.weightsSha256,
  };
}

test('takes VGG16 without its classifier from where Keras publishes it, and shows block5_pool:avg', async () => {
  const source = join(dir, 'source');
  const options = { architecture: 'vgg16', seed: 5, width: 1 / 16, includeTop: false, dir: source };
  const stored = await storedWeights(await initModel(options));
  content = await publishedFile(stored);
  await demo();
  expect(asked).toEqual(['/keras/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5']);
  expect(opened).toEqual(
    ['pixels', 'vgg16-notop'].map((run) => join(dir, 'demo', run, 'report.html')),
  );
  const { userDefinedMetadata } = JSON.parse(
    await readFile(join(dir, 'models/vgg16-notop/model.json'), 'utf8'),
  );
  expect(userDefinedMetadata.img2features).toMatchObject({
    trained: true,
    weightsSha256: stored.weightsSha256,
  });
  const features = await valuesOf('vgg16-notop', 'cnn_vectors');
  expect(features.map((row) => row.length)).toEqual([32, 32, 32, 32, 32, 32]);
  const sha256 = createHash('sha256').update(Float32Array.from(features.flat())).digest('hex');
  expect(sha256).toBe('3c7840cabc7f3fb66120f5d4f5e9f2825059e557b9eaf769439279a514a954de');
  expect(said.join('\n')).toContain('58.9 MB from storage.googleapis.com');

  // Once more: what is there is used, and nothing is asked for.
  await demo();
  expect(asked).toHaveLength(1);
});

test('where the weights cannot be had, one line says why and seeded ones run', async () => {
  await demo();
  expect(asked).toHaveLength(1);
  expect(said.filter((text) => text.startsWith('Left out.'))).toEqual([
    expect.stringMatching(/^Left out\. Expected Python 3 with pip .*\.$/),
    expect.stringMatching(
      /^Left out\. Expected the file at http:.*_notop\.h5 but found status 404\.$/,
    ),
  ]);
  expect(said.join('\n')).toContain('its features show the format, not what is in a picture');
  expect(await readdir(join(dir, 'demo'))).toEqual(['images', 'pixels', 'vgg16-seeded']);
  expect((await valuesOf('pixels', 'vectors')).length).toBe(6);
});

test('--offline asks nobody; the user’s images are read where they are', async () => {
  const input = join(dir, 'photos');
  await writeDataset(input, { seed: 2, imagesPerClass: 1, minSize: 20, maxSize: 30 });
  await demo({ offline: true, input });
  expect(asked).toEqual([]);
  expect(said.filter((text) => text.includes('left out by --offline'))).toHaveLength(2);
  expect(await readdir(join(dir, 'demo'))).toEqual(['pixels', 'vgg16-seeded']);
  expect(said.join('\n')).toContain('--limit 300');
});

test('a page is opened where somebody would see it', () => {
  const display = { DISPLAY: ':0' };
  expect(browserCommand('linux', display, true)).toBe('xdg-open');
  expect(browserCommand('linux', { WAYLAND_DISPLAY: 'wayland-0' }, true)).toBe('xdg-open');
  expect(browserCommand('darwin', {}, true)).toBe('open');
  expect(browserCommand('win32', {}, true)).toBe('explorer.exe');
  expect(browserCommand('linux', {}, true)).toBeUndefined();
  expect(browserCommand('linux', display, false)).toBeUndefined();
  expect(browserCommand('linux', { ...display, CI: 'true' }, true)).toBeUndefined();
});
