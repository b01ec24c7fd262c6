/** Our own convolution against TensorFlow's, and where the graph uses it. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
// Threads and processes start from the build.
import { extract, resolveOptions } from '../../../dist/index.js';
import { chooseFaster, type Measured, NOTES } from '../../../src/engine/choose-convolution.ts';
import { WINOGRAD_OP } from '../../../src/engine/graph/winograd-nodes.ts';
import { EngineError } from '../../../src/errors.ts';
import { conv2d, input, type LayerRow } from '../../../src/model/architectures/keras-layers.ts';
import { initModel } from '../../../src/model/init-model.ts';
import { addNote, readNotes, runtimesDir } from '../../../src/runtime/cache-dir.ts';
import { solidPng } from '../../dry-run/solid-png.ts';
import { NO_TENSORFLOW, skipIf } from '../../skip-if.ts';
import { rejection } from '../caught.ts';
import { found, open } from '../open-engines.ts';
import { functional, temporaryDir, writeTinyModel } from '../tiny-model.ts';
import { relativeError, somePixels } from './compare.ts';
import { networkGraph } from './network-graph.ts';

const CHILD = fileURLToPath(new URL('winograd-child.mjs', import.meta.url));

interface Shape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly into: number;
  readonly out: number;
  readonly relu: boolean;
}

interface Result {
  readonly shape: readonly number[];
  readonly error: number;
  /** Of the sums before the rectifier. */
  readonly largest: number;
  readonly hash: string;
  readonly isLastAlone: boolean;
  readonly isPoolExact: boolean;
  readonly isPoisonedAtNan: boolean;
  readonly areOthersSound: boolean;
}

function shape(batch: number, height: number, width: number, into: number, out: number): Shape {
  return { batch, height, width, into, out, relu: (height + width + out) % 2 === 0 };
}

/** Sizes that tiles of 4 × 4 do not cut evenly, channels that fill neither lanes nor panels. */
const SHAPES: readonly Shape[] = [
  shape(1, 1, 1, 1, 1),
  shape(2, 1, 5, 3, 2),
  shape(3, 2, 2, 8, 16),
  shape(4, 3, 7, 5, 7),
  shape(5, 4, 4, 16, 16),
  shape(1, 5, 30, 17, 33),
  shape(2, 6, 6, 20, 40),
  shape(3, 7, 9, 31, 15),
  shape(1, 8, 8, 300, 50),
  shape(2, 14, 14, 513, 24),
  shape(5, 13, 11, 24, 65),
  shape(1, 30, 30, 9, 96),
  shape(4, 29, 30, 64, 31),
];

async function convolveAll(threads: number, set?: string): Promise<Result[]> {
  const args = [CHILD, JSON.stringify(SHAPES), String(threads), ...(set ? [set] : [])];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, IMG2FEATURES_CACHE: join(found.cpu!.dir, '..', '..') },
  });
  return JSON.parse(stdout) as Result[];
}

/** Two convolutions of this operation, one that is rectified and one that is not, after one of TensorFlow's. */
const LAYERS: readonly LayerRow[] = [
  input('image', [9, 10]),
  conv2d('first', 'image', { filters: 18, kernel: 3, padding: 'same', activation: 'relu' }),
  conv2d('second', 'first', { filters: 21, kernel: 3, padding: 'same', activation: 'relu' }),
  conv2d('third', 'second', { filters: 16, kernel: 3, padding: 'same' }),
];

function someWeights(rows: number, of: number): number[] {
  return Array.from({ length: rows * of }, (_, i) => Math.sin(i * 12.9898) / Math.sqrt(rows));
}

function writeThreeLayers() {
  return writeTinyModel(
    functional(LAYERS, 'third'),
    {
      'first/kernel': [[3, 3, 3, 18], someWeights(27, 18)],
      'first/bias': [[18], someWeights(1, 18)],
      'second/kernel': [[3, 3, 18, 21], someWeights(162, 21)],
      'second/bias': [[21], someWeights(1, 21)],
      'third/kernel': [[3, 3, 21, 16], someWeights(189, 16)],
      'third/bias': [[16], someWeights(1, 16)],
    },
    [9, 10],
  );
}

/** What /proc/cpuinfo lists; the operations exist on Linux alone. */
const instructions = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
const isSupported = /\bavx2\b/.test(instructions) && /\bfma\b/.test(instructions);

describe(
  'Winograd’s convolution',
  skipIf(
    found.cpu?.operationsPath === undefined || !isSupported,
    `no operations: ${NO_TENSORFLOW}, or no AVX2`,
  ),
  () => {
    test('is TensorFlow’s within 1e-5 of the largest sum, and the same bytes on 1, 2 and 5 threads, by AVX2 and by AVX-512', async () => {
      const threads = [1, 2, 5].map((count) => convolveAll(count));
      const [one, two, five, narrow] = await Promise.all([...threads, convolveAll(2, 'AVX2')]);
      expect(one.map(({ hash }) => hash)).toEqual(two.map(({ hash }) => hash));
      expect(one.map(({ hash }) => hash)).toEqual(five.map(({ hash }) => hash));
      expect(one.map(({ hash }) => hash)).toEqual(narrow.map(({ hash }) => hash));
      for (const [i, result] of one.entries()) {
        const { batch, height, width, into, out } = SHAPES[i]!;
        const name = `${batch}×${height}×${width}×${into} → ${out}`;
        expect(result.shape, name).toEqual([batch, height, width, out]);
        expect(result.error / result.largest, name).toBeLessThanOrEqual(1e-5);
        expect(result.isLastAlone, `${name}: an image alone gives what it gives in a batch`).toBe(
          true,
        );
        expect(result.isPoolExact, `${name}: pooled as MaxPool does`).toBe(true);
        expect(result.isPoisonedAtNan, `${name}: NaN stays NaN`).toBe(true);
        expect(result.areOthersSound, `${name}: NaN stays in its image`).toBe(true);
      }
    });

    test('auto takes the one that was measured to be faster here, once, and says so', async () => {
      const folder = await writeThreeLayers();
      const first = (await open(folder, { device: 'cpu' })).info;
      const [[key, measured]] = Object.entries(await readNotes<Measured>(NOTES)) as [
        [string, Measured],
      ];
      expect(key).toContain(' threads, TensorFlow ');
      const { conv: chosen, convReason } = chooseFaster(measured);
      // It has nothing but 3×3 convolutions.
      const conv = chosen === 'fused' ? 'winograd' : chosen;
      expect(first).toMatchObject({ conv, convReason });
      await addNote(NOTES, key, { winograd: 30, direct: 20 });
      expect((await open(folder, { device: 'cpu' })).info).toMatchObject({
        conv: 'direct',
        convReason: expect.stringContaining("30.0 ms by Winograd's, 20.0 ms by TensorFlow's"),
      });
    });

    test('a run that is brought up to date keeps its convolutions, whatever is measured by then', async () => {
      symlinkSync(dirname(found.cpu!.dir), runtimesDir());
      const images = join(temporaryDir(), 'images');
      mkdirSync(images);
      const add = (name: string) =>
        writeFileSync(join(images, name), solidPng(10, 9, [name.length, 7, 90]));
      const run = async (options: object) => {
        const kept = {
          input: images,
          mode: 'cnn',
          model,
          k: 0,
          report: false,
          workers: 1,
        } as const;
        await extract(resolveOptions({ ...kept, device: 'cpu', out, ...options }));
        return JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')).device;
      };
      const [model, out] = [(await writeThreeLayers()).dir, join(temporaryDir(), 'out')];
      await run({}).catch(() => {}); // measures
      const [key] = Object.keys(await readNotes(NOTES)) as [string];
      for (const [began, then] of [
        ['winograd', { winograd: 9, direct: 1 }],
        ['direct', { winograd: 1, direct: 9 }],
      ] as const) {
        await addNote(NOTES, key, { winograd: 5, direct: 5, [began]: 1 });
        add(`${began}.png`);
        expect(await run({ overwrite: true })).toMatchObject({ conv: began });
        await addNote(NOTES, key, then);
        add(`${began}-more.png`);
        expect(await run({ update: true })).toMatchObject({
          conv: began,
          convReason: 'this run began with them',
        });
      }
    });

    test('gives what TensorFlow’s gives in layers with and without a rectifier', async () => {
      const folder = await writeThreeLayers();
      const pixels = Uint8Array.from(somePixels(3, 10).subarray(0, 3 * 9 * 10 * 3));
      const options = { device: 'cpu', layers: 'first,second,third' } as const;
      const winograd = await open(folder, { ...options, conv: 'winograd' });
      const direct = await open(folder, { ...options, conv: 'direct' });
      expect([winograd.info.conv, direct.info.conv]).toEqual(['winograd', 'direct']);
      const [found, expected] = [
        await winograd.run(pixels.slice(), 3),
        await direct.run(pixels, 3),
      ];
      expect(relativeError(found[0]!, expected[0]!)).toBeLessThanOrEqual(1e-6);
      expect(relativeError(found[1]!, expected[1]!)).toBeLessThanOrEqual(2e-6);
      expect(relativeError(found[2]!, expected[2]!)).toBeLessThanOrEqual(2e-6);
      expect(found[2]).not.toEqual(expected[2]);
    });

    test('is kept from other precisions and from the eager engine', async () => {
      const folder = await writeThreeLayers();
      const half = await open(folder, { device: 'cpu', precision: 'bf16' });
      const eager = await open(folder, { device: 'cpu', engine: 'eager' });
      expect([half.info.conv, eager.info.conv]).toEqual(['direct', 'direct']);
      const asked = open(folder, { device: 'cpu', engine: 'eager', conv: 'winograd' });
      expect((await rejection(EngineError, asked)).message).toContain(
        'Expected the graph engine in fp32 on the CPU for --conv winograd but found --engine eager',
      );
    });

    test('agrees with TensorFlow’s within 1e-5 after the 13 convolutions of VGG16', async () => {
      const dir = join(temporaryDir(), 'vgg16');
      const folder = await initModel({ architecture: 'vgg16', dir, seed: 3, width: 0.25 });
      const pixels = somePixels(2, 224);
      const options = { device: 'cpu', layers: 'block5_pool' } as const;
      const [winograd, direct] = [
        await open(folder, { ...options, conv: 'winograd' }),
        await open(folder, { ...options, conv: 'direct' }),
      ];
      const [a, b] = [await winograd.run(pixels.slice(), 2), await direct.run(pixels, 2)];
      expect(relativeError(a[0]!, b[0]!)).toBeLessThanOrEqual(1e-5);
    });
  },
);

test(
  'without the operations auto uses TensorFlow’s convolution and says why, and asking for them is an error',
  skipIf(found.cpu === undefined, NO_TENSORFLOW),
  async () => {
    const folder = await writeThreeLayers();
    const { operationsPath: _, ...cpu } = found.cpu!;
    const without = { ...found, cpu };
    const auto = await open(folder, { device: 'cpu', found: without });
    expect(auto.info).toMatchObject({
      conv: 'direct',
      convReason: '`img2features setup` has not built the operations for them here',
    });
    const asked = open(folder, { device: 'cpu', conv: 'winograd', found: without });
    const { message, fix } = await rejection(EngineError, asked);
    expect(message).toBe(
      'Expected our own convolutions for --conv winograd but `img2features setup` has not built the operations for them here.',
    );
    expect(fix).toBe('Run `img2features setup`, or use --conv auto.');
  },
);

test('of VGG16 all but the first, of ResNet50 only 3×3 at stride 1, of MobileNetV2 none is for it', () => {
  const count = (name: string, ...layers: string[]) => {
    const { nodes, conv } = networkGraph(name, layers, { conv: 'winograd' });
    const number = (name: string) => nodes.filter(({ op }) => op === name).length;
    return [number(WINOGRAD_OP), number('MaxPool'), conv];
  };
  expect(count('vgg16', 'block5_pool')).toEqual([12, 0, 'winograd']);
  // A layer that is asked for is not pooled away.
  expect(count('vgg16', 'block1_conv2', 'block5_pool')).toEqual([12, 1, 'winograd']);
  expect(count('resnet50', 'conv5_block3_out')).toEqual([16, 1, 'winograd']);
  expect(count('mobilenetv2', 'out_relu')).toEqual([0, 0, 'direct']);
});
