import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import h5wasm from 'h5wasm/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import { fetchModel } from '../../src/convert/fetch/fetch-model.ts';
import { officialWeights } from '../../src/convert/fetch/official-weights.ts';
import { KERAS_NETWORKS } from '../../src/convert/keras-networks.ts';
import { readTopology } from '../../src/convert/network-topologies.ts';
import { tempFolder } from '../e2e/run-cli.ts';

let work: Awaited<ReturnType<typeof tempFolder>>;
beforeAll(async () => {
  work = await tempFolder();
  await h5wasm.ready;
});
afterAll(() => work.remove());

interface Row {
  readonly name: string;
  readonly class_name: string;
  readonly config: { readonly filters?: number; readonly kernel_size?: readonly number[] };
}

/** Shapes of MobileNet's weights by layer, in Keras' order. */
async function mobileNetShapes(): Promise<Record<string, number[]>[]> {
  const { model, weighted } = await readTopology('mobilenet');
  let channels = 3;
  return weighted.map((wanted) => {
    const row = (model.config.layers as Row[]).find(({ name }) => name === wanted)!;
    const { kernel_size: kernel = [], filters = channels } = row.config;
    const before = channels;
    channels = filters;
    switch (row.class_name) {
      case 'Conv2D':
        return {
          kernel: [...kernel, before, filters],
          ...(wanted === 'conv_preds' && { bias: [filters] }),
        };
      case 'DepthwiseConv2D':
        return { depthwise_kernel: [...kernel, before, 1] };
      default:
        return Object.fromEntries(
          ['gamma', 'beta', 'moving_mean', 'moving_variance'].map((part) => [part, [channels]]),
        );
    }
  });
}

/** As `save_weights` of Keras 2 writes it, with names of layers that count from another start; layer i holds i + 1. */
async function writeMobileNet(leaveOut = 0): Promise<string> {
  const path = join(work.dir, `mobilenet-${leaveOut}.h5`);
  const file = new h5wasm.File(path, 'w');
  const shapes = (await mobileNetShapes()).slice(leaveOut);
  const names = shapes.map((_, i) => `layer_${i + 95}`);
  file.create_attribute('layer_names', names);
  for (const [i, parts] of shapes.entries()) {
    const group = file.create_group(names[i]);
    const inner = group.create_group(names[i]);
    group.create_attribute(
      'weight_names',
      Object.keys(parts).map((part) => `${names[i]}/${part}:0`),
    );
    for (const [part, shape] of Object.entries(parts)) {
      const count = shape.reduce((a, b) => a * b, 1);
      const data = new Float32Array(count).fill(i + 1);
      inner.create_dataset({ name: `${part}:0`, data, shape });
    }
  }
  file.close();
  return path;
}

test('fetches and converts a network that is known by its topology, its weights in Keras’ order', async () => {
  const content = await readFile(await writeMobileNet());
  const asked: string[] = [];
  const server = createServer(({ url }, response) => {
    asked.push(url!);
    response.writeHead(200, { 'content-length': content.length }).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keras`;
  const official = {
    ...officialWeights('mobilenet', true),
    sha256: createHash('sha256').update(content).digest('hex'),
  };
  const dir = join(work.dir, 'mobilenet');
  try {
    const options = { name: 'mobilenet', dir, cacheDir: work.dir, mirror, official };
    const { folder, checkedBy } = await fetchModel({ ...options, network: { retries: 0 } });
    expect(asked).toEqual(['/keras/mobilenet/mobilenet_1_0_224_tf.h5']);
    expect(checkedBy).toBe('pinned SHA-256');
    expect(folder.metadata).toMatchObject({
      architecture: 'mobilenet',
      preprocessing: 'tf',
      inputSize: [224, 224],
    });
    const bytes = Buffer.concat(await Promise.all(folder.shardPaths.map((path) => readFile(path))));
    let at = 0;
    const { weighted } = await readTopology('mobilenet');
    for (const { name, shape } of folder.weights) {
      const layer = name.slice(0, name.lastIndexOf('/'));
      expect([name, bytes.readFloatLE(at)]).toEqual([name, weighted.indexOf(layer) + 1]);
      at += 4 * shape.reduce((a, b) => a * b, 1);
    }
    expect(at).toBe(bytes.length);
    expect(await fetchModel(options)).toMatchObject({ wasThere: true });
  } finally {
    server.close();
  }
});

test('a file of another network is refused', async () => {
  const file = await writeMobileNet(1);
  const convert = convertModel({ file, dir: join(work.dir, 'short'), arch: 'mobilenet' });
  await expect(convert).rejects.toThrow(
    /^Expected 55 layers with weights in .*mobilenet-1\.h5 but found 54\.$/,
  );
});

test('every network has its topology, and a sum but MobileNet', () => {
  const file = new URL('../../models/keras-applications.jsonl.br', import.meta.url);
  const lines = brotliDecompressSync(readFileSync(file)).toString().trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).name).sort()).toEqual(
    [...KERAS_NETWORKS.keys()].sort(),
  );
  for (const line of lines) {
    const { name, model, weighted } = JSON.parse(line);
    const names = new Set((model.config.layers as Row[]).map((layer) => layer.name));
    expect([name, weighted.filter((layer: string) => !names.has(layer))]).toEqual([name, []]);
  }
  for (const [name, { path, sum }] of KERAS_NETWORKS) {
    expect(path).toMatch(/^[\w./-]+\.h5$/);
    if (name !== 'mobilenet') expect(sum).toMatch(/^([0-9a-f]{32}|[0-9a-f]{64})$/);
  }
});

test('without its classifier none of them is published here', () => {
  expect(() => officialWeights('densenet121', false)).toThrow(
    'Expected densenet121 with its classifier but found --no-top',
  );
  expect(officialWeights('efficientnetb0', true)).toMatchObject({
    base: 'https://storage.googleapis.com/keras-applications',
    path: 'efficientnetb0.h5',
    md5: '902e53a9f72be733fc0bcb005b3ebbac',
  });
  expect(officialWeights('resnetrs101', true).path).toBe('resnet_rs/resnet-rs-101-i192.h5');
  expect(officialWeights('convnexttiny', true)).toMatchObject({
    path: 'convnext/convnext_tiny.h5',
    md5: undefined,
    sha256: '8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff',
  });
});
