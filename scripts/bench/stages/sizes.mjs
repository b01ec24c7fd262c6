import sharp from 'sharp';
import { decodeInto } from '../../../dist/image/decode-and-resize.js';
import { Resizer } from '../../../dist/image/resize/resize.js';
import { drawImage } from '../../draw-images.mjs';
import { spread } from '../lib/statistics.mjs';

/** From Fruits-360 over ImageNet's usual size to a phone's camera. */
const SIZES = [
  [100, 100],
  [500, 375],
  [1280, 960],
  [4032, 3024],
];
const TARGETS = [10, 224];
/** As many images as take about this long, in one thread. */
const BUDGET_MS = 400;

/**
 * Processor time for an image by its size: decode and resize of drawn JPEGs (quality 92, with noise, which costs more than a
 * photograph of the same size would), in one thread.
 * @param {{ repeat: number }} options
 */
export async function* measure({ repeat }) {
  for (const [width, height] of SIZES) {
    const jpeg = await draw(width, height);
    for (const target of TARGETS) {
      const options = {
        width: target,
        height: target,
        resize: 'bicubic',
        exif: 'ignore',
        channels: 'rgb',
        maxPixels: 50e6,
        tiff: false,
      };
      const once = await cpuMs(jpeg, options, 3);
      const count = Math.max(3, Math.min(400, Math.round(BUDGET_MS / once)));
      const found = [];
      for (let i = 0; i < repeat; i++) found.push(await cpuMs(jpeg, options, count));
      yield {
        stage: 'sizes',
        what: `JPEG ${width}×${height}, ${Math.round(jpeg.length / 1000)} kB, to ${target}×${target}`,
        unit: 'ms of one core',
        ...spread(found),
        pixels: width * height,
        target,
      };
    }
  }
}

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

/** Of the whole process, so that a decoder's own threads count. */
async function cpuMs(jpeg, options, count) {
  // As a worker thread does: one resizer for all images.
  const resizer = new Resizer(options.width, options.height, options.resize);
  const row = new Uint8Array(resizer.outputBytes);
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    await decodeInto(jpeg, options, resizer, row, 0);
  }
  const { user, system } = process.cpuUsage(before);
  if (row.every((value) => value === 0)) throw new Error('Expected a picture but found black.');
  return (user + system) / 1000 / count;
}
