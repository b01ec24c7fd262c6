import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from '../../lib/python-environment.mjs';
import { linkMany } from '../lib/many-images.mjs';
import { contest } from './contest.mjs';
import { img2features } from './img2features.mjs';

/**
 * The pixels job on many images: Parquet and JSON, scaler and PCA.
 * @param {{ dataset: string, images: number, repeat: number, without: string[], scratch: string }} options
 */
export async function comparePixels({ dataset, images, repeat, without, scratch }) {
  const many = join(scratch, 'many');
  linkMany(dataset, images, many);
  const python = pythonEnvironment('bench-keras', script('requirements-keras.txt'));
  const out = (name) => join(scratch, name);
  const contestants = [
    // No report: the peers write none.
    img2features(
      [many, '--mode', 'pixels', '--format', 'parquet,json', '--no-report'],
      out('ours-pixels'),
    ),
    {
      name: 'plain',
      table: join(out('plain'), 'features.parquet'),
      start: () => ({ command: python, args: [script('../plain_pixels.py'), many, out('plain')] }),
    },
    {
      name: 'spark',
      // The notebook's channels are swapped (Spark's image source gives BGR): another table by design.
      rounds: 1,
      start: () => ({ command: python, args: [script('spark_pixels.py'), many, out('spark')] }),
    },
  ].filter(({ name }) => !without.includes(name));
  const rows = await contest(contestants, {
    repeat,
    column: 'vectors',
    python,
    tolerance: () => 1 - 1e-12,
  });
  return { job: `pixels, ${images} images, files to Parquet and JSON`, rows };
}

function script(file) {
  return fileURLToPath(new URL(file, import.meta.url));
}
