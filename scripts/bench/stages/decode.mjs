import { readFileSync } from 'node:fs';
import { decodeImage } from '../../../dist/image/formats/decode.js';
import { decodeWithSharp } from '../../../dist/image/formats/decode-with-sharp.js';
import { sample } from '../lib/many-images.mjs';
import { processorMs, repeated } from '../lib/processor-time.mjs';
import { spread } from '../lib/statistics.mjs';

const IMAGES = 300;
const OPTIONS = { exif: /** @type {const} */ ('ignore'), maxPixels: 50e6, tiff: false };

/**
 * Processor time to decode the dataset's JPEGs, an image at a time in one thread, and the same by sharp alone; both must
 * give the same bytes.
 * @param {{ repeat: number, images: string[] }} options
 */
export async function* measure({ repeat, images }) {
  const jpegs = images.filter((path) => /\.jpe?g$/i.test(path));
  if (jpegs.length === 0) return;
  const files = sample(jpegs, Math.min(IMAGES, jpegs.length)).map((path) => readFileSync(path));
  /** @type {import('../../../dist/image/formats/decode-with-sharp.js').SharpRequest} */
  const request = { format: 'JPEG', maxPixels: OPTIONS.maxPixels };
  const ways = {
    'as img2features decodes': (file) => decodeImage(file, OPTIONS),
    'by sharp alone': (file) => decodeWithSharp(file, request),
  };
  const [ours, vips] = Object.values(ways);
  for (const file of files) {
    const [{ data }, expected] = [await ours(file), await vips(file)];
    if (Buffer.compare(data, expected.data) !== 0) throw new Error('Expected the same pixels.');
  }
  for (const [name, decode] of Object.entries(ways)) {
    const found = await repeated(repeat, async () => {
      const ms = await processorMs(async () => {
        for (const file of files) await decode(file);
      });
      return ms / files.length;
    });
    const what = `${files.length} JPEGs of the dataset, ${name}`;
    yield { stage: 'decode', what, unit: 'ms of one core an image', ...spread(found) };
  }
}
