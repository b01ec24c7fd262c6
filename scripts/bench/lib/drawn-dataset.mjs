import { join } from 'node:path';
import { writeDataset } from '../../draw-images.mjs';

/**
 * 1,000 images of about 100 pixels, where no dataset is named.
 * @param {string} scratch
 * @returns {Promise<string>} the folder
 */
export async function drawnDataset(scratch) {
  const dir = join(scratch, 'drawn');
  const size = { minSize: 90, maxSize: 110 };
  await writeDataset(dir, { seed: 1, imagesPerClass: 200, ...size, withBroken: false });
  return dir;
}
