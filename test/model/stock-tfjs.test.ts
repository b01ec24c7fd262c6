import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { initModel } from '../../src/model/init-model.ts';
import { inferLayerShapes } from '../../src/model/layer-shapes.ts';

/** What we write must be what everybody's tfjs reads: `tf.loadLayersModel` of an address. */
let root: string;
let server: Server;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'img2features-tfjs-'));
  server = createServer(async (request, response) => {
    const body = await readFile(join(root, basename(request.url!))).catch(() => undefined);
    response.writeHead(body ? 200 : 404).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // Its CPU backend greets with advice to install tfjs-node.
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  await tf.setBackend('cpu');
});
afterAll(async () => {
  server.close();
  await rm(root, { recursive: true, force: true });
});

test.each([
  ['vgg16', 128],
  ['vgg19', 128],
  ['resnet50', 128],
  ['mobilenetv2', 1],
])('%s loads in stock tfjs and predicts from pixels of ±%d', async (architecture, range) => {
  await rm(root, { recursive: true, force: true });
  const folder = await initModel({ architecture, seed: 5, width: 0.125, classes: 10, dir: root });
  const { port } = server.address() as AddressInfo;
  const model = await tf.loadLayersModel(`http://127.0.0.1:${port}/model.json`);

  const ours = inferLayerShapes(folder.topology)!;
  expect(model.layers.map((layer) => [layer.name, layer.outputShape])).toEqual(
    ours.map((layer) => [layer.name, [null, ...layer.outputShape]]),
  );

  const maps = model.layers.filter((layer) => /pool$|out$|relu$|^fc/.test(layer.name));
  const probe = tf.model({
    inputs: model.inputs,
    outputs: [...maps.map((layer) => layer.output as tf.SymbolicTensor), model.outputs[0]!],
  });
  const image = tf.randomUniform([1, 224, 224, 3], -range, range, 'float32', 1);
  const outputs = probe.predict(image) as tf.Tensor[];
  for (const [i, output] of outputs.slice(0, -1).entries()) {
    const values = await output.data<'float32'>();
    const rms = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(rms, maps[i]!.name).toBeGreaterThan(0.01);
    expect(rms, maps[i]!.name).toBeLessThan(100);
  }
  const predictions = outputs.at(-1)!;
  expect(predictions.shape).toEqual([1, 10]);
  const sum = (await predictions.data<'float32'>()).reduce((a, b) => a + b, 0);
  expect(sum).toBeCloseTo(1, 5);
});
