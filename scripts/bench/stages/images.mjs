/** Stages in one thread on images in memory: all in milliseconds of one core. */
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { drawImage } from '../../../dist/demo/draw-images.js';
import { decodeInto } from '../../../dist/image/decode-and-resize.js';
import { decodeImage } from '../../../dist/image/formats/decode.js';
import { decodeWithSharp } from '../../../dist/image/formats/decode-with-sharp.js';
import { Resizer } from '../../../dist/image/resize/resize.js';
import { convolveColumns, convolveRows } from '../../../dist/image/resize/resize-kernels.js';
import { computeTaps } from '../../../dist/image/resize/resize-taps.js';
import { sample } from '../lib/dataset.mjs';
import { inTurn, repeated, spread, timed } from '../lib/measure.mjs';

const IMAGES = 300;
const BICUBIC = /** @type {const} */ ({ resize: 'bicubic', channels: 'rgb' });
const OPTIONS = { exif: /** @type {const} */ ('ignore'), maxPixels: 50e6, tiff: false };
/** [width, height, side of the result] */
const RESIZES = [
  [100, 100, 10],
  [100, 100, 224],
  [500, 375, 224],
];
/** From Fruits-360 over ImageNet's usual size to a phone's camera. */
const SIZES = [
  [100, 100],
  [500, 375],
  [1280, 960],
  [4032, 3024],
];
const TARGETS = [10, 224];
/** As many images as take about this long. */
const BUDGET_MS = 300;

/**
 * The dataset's JPEGs as img2features decodes them, and by sharp alone; both must give the same bytes.
 * @param {{ repeat: number, images: string[] }} options
 */
export async function* decode({ repeat, images }) {
  const jpegs = images.filter((path) => /\.jpe?g$/i.test(path));
  if (jpegs.length === 0) return;
  const files = sample(jpegs, Math.min(IMAGES, jpegs.length)).map((path) => readFileSync(path));
  /** @type {import('../../../dist/image/formats/decode-with-sharp.js').SharpRequest} */
  const request = { format: 'JPEG', maxPixels: OPTIONS.maxPixels };
  const ways = [
    { name: 'as img2features decodes', once: (file) => decodeImage(file, OPTIONS) },
    { name: 'by sharp alone', once: (file) => decodeWithSharp(file, request) },
  ];
  for (const file of files) {
    const [{ data }, expected] = await Promise.all(ways.map(({ once }) => once(file)));
    if (Buffer.compare(data, expected.data) !== 0) throw new Error('Expected the same pixels.');
  }
  const found = await inTurn(ways, repeat, async ({ once }) => {
    const { processorMs } = await timed(async () => {
      for (const file of files) await once(file);
    });
    return processorMs / files.length;
  });
  for (const [i, { name }] of ways.entries()) {
    yield row('decode', `${files.length} JPEGs of the dataset, ${name}`, found[i]);
  }
}

/**
 * Pillow's bicubic resize with WebAssembly's vectors and in plain JavaScript; both must give the same bytes.
 * @param {{ repeat: number }} options
 */
export async function* resize({ repeat }) {
  for (const [width, height, side] of RESIZES) {
    const source = Uint8Array.from(
      { length: width * height * 3 },
      (_, i) => (i * 2654435761) >>> 24,
    );
    const resizer = new Resizer(side, side, 'bicubic');
    const plain = plainResize(source, width, height, side);
    const ways = [
      { name: 'vectors', once: (out) => resizer.resize(source, width, height, out, 0) },
      { name: 'plain JavaScript', once: plain },
    ].map((way) => ({ ...way, out: new Uint8Array(side * side * 3), count: 0 }));
    for (const way of ways) {
      way.once(way.out);
      way.count = await countFor(() => way.once(way.out));
    }
    if (Buffer.compare(ways[0].out, ways[1].out) !== 0)
      throw new Error('Expected the same pixels.');
    const found = await inTurn(ways, repeat, async ({ once, out, count }) => {
      const { processorMs } = await timed(() => {
        for (let i = 0; i < count; i++) once(out);
      });
      return processorMs / count;
    });
    for (const [i, { name }] of ways.entries()) {
      yield row('resize', `${width}×${height} to ${side}×${side}, ${name}`, found[i]);
    }
  }
}

/** @param {Uint8Array} source @param {number} width @param {number} height @param {number} side */
function plainResize(source, width, height, side) {
  const across = computeTaps(width, side, 'bicubic');
  const down = computeTaps(height, side, 'bicubic');
  const between = new Uint8Array(side * height * 3);
  return (out) => {
    convolveRows(source, width, height, across, between, 0, side);
    convolveColumns(between, side * 3, down, out, 0, side);
  };
}

/**
 * An image by its size: decode and resize of drawn JPEGs (quality 92, with noise, which costs more than a photograph of
 * the same size would).
 * @param {{ repeat: number }} options
 */
export async function* sizes({ repeat }) {
  for (const [width, height] of SIZES) {
    const jpeg = await draw(width, height);
    for (const target of TARGETS) {
      // As a worker thread does: one resizer for all images.
      const resizer = new Resizer(target, target, 'bicubic');
      const size = { width: target, height: target };
      const options = { ...OPTIONS, ...size, ...BICUBIC };
      const out = new Uint8Array(resizer.outputBytes);
      const once = () => decodeInto(jpeg, options, resizer, out, 0);
      const count = await countFor(once);
      const found = await repeated(repeat, async () => {
        const { processorMs } = await timed(async () => {
          for (let i = 0; i < count; i++) await once();
        });
        return processorMs / count;
      });
      if (out.every((value) => value === 0)) throw new Error('Expected a picture but found black.');
      const what = `JPEG ${width}×${height}, ${Math.round(jpeg.length / 1000)} kB, to ${target}×${target}`;
      yield { ...row('sizes', what, found), pixels: width * height, target };
    }
  }
}

/** @param {number} width @param {number} height */
async function draw(width, height) {
  // A square picture, stretched: the drawing knows one range of sides only.
  const side = Math.min(1000, Math.max(width, height));
  const picture = drawImage('circle', { seed: 7, minSize: side, maxSize: side });
  /** @type {import('sharp').CreateRaw} */
  const raw = { width: picture.width, height: picture.height, channels: 3 };
  return sharp(picture.data, { raw })
    .resize(width, height, { fit: 'fill' })
    .jpeg({ quality: 92 })
    .toBuffer();
}

/** @param {() => unknown} once */
async function countFor(once) {
  const { processorMs } = await timed(once);
  return Math.max(3, Math.min(5000, Math.round(BUDGET_MS / Math.max(0.02, processorMs))));
}

/** @param {string} stage @param {string} what @param {number[]} found */
function row(stage, what, found) {
  const unit = stage === 'sizes' ? 'ms of one core' : 'ms of one core an image';
  return { stage, what, unit, ...spread(found) };
}
