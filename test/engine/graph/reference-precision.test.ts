import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { decodeAndResize } from '../../../src/image/decode-and-resize.ts';
import { describeReference } from '../../reference.ts';
import { NO_TENSORFLOW, skipIf } from '../../skip-if.ts';
import { found, open } from '../open-engines.ts';
import { temporaryDir } from '../tiny-model.ts';
import { relativeError, smallestCosine } from './compare.ts';

const DECODE = {
  width: 224,
  height: 224,
  resize: 'bicubic',
  exif: 'ignore',
  channels: 'rgb',
  maxPixels: 1e9,
  tiff: false,
} as const;
const LAYERS = 'block5_pool,block5_pool:avg,block5_pool:max,fc1,fc2,predictions';

describeReference('the loss of each precision', (dir) => {
  const keras = join(dir, 'reference/keras');
  const files: string[] = JSON.parse(readFileSync(join(keras, 'files.json'), 'utf8'));

  test('graph and eager agree within 1e-5, fp16 keeps a cosine of 0.9995, bf16 0.999, on 64 images', {
    timeout: 120_000,
    ...skipIf(found.cpu === undefined, NO_TENSORFLOW),
  }, async () => {
    const file = join(keras, 'vgg16-slim.keras');
    const folder = await convertModel({ file, dir: join(temporaryDir(), 'slim') });
    const pixels = new Uint8Array(files.length * 224 * 224 * 3);
    for (const [i, name] of files.entries()) {
      const bytes = await readFile(join(dir, 'data', name));
      pixels.set(await decodeAndResize(bytes, DECODE), i * 224 * 224 * 3);
    }
    const run = async (options: Omit<NonNullable<Parameters<typeof open>[1]>, 'layers'>) => {
      const engine = await open(folder, { device: 'cpu', layers: LAYERS, ...options });
      const outputs = await engine.run(pixels.slice(), files.length);
      await engine.close();
      return outputs;
    };
    const eager = await run({ engine: 'eager' });
    const graph = await run({ engine: 'graph' });
    const fp16 = await run({ precision: 'fp16' });
    const bf16 = await run({ precision: 'bf16' });
    for (const [i, layer] of LAYERS.split(',').entries()) {
      expect(relativeError(graph[i], eager[i]), layer).toBeLessThanOrEqual(1e-5);
      const half = smallestCosine(fp16[i], eager[i], files.length);
      expect(half, `fp16 ${layer}`).toBeGreaterThanOrEqual(0.9995);
      const brain = smallestCosine(bf16[i], eager[i], files.length);
      expect(brain, `bf16 ${layer}`).toBeGreaterThanOrEqual(0.999);
    }
  });
});
