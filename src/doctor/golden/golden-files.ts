import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelFolder } from '../../model/model-folder.ts';
import { readModelFolder } from '../../model/read-model-folder.ts';
import { GOLDEN } from './golden-data.ts';

/** The layers whose outputs Keras' numbers are kept of. */
export const GOLDEN_LAYERS = Object.keys(GOLDEN.expected) as (keyof typeof GOLDEN.expected)[];

/** Keras' numbers for one layer. */
export function goldenValues(layer: keyof typeof GOLDEN.expected): Float32Array {
  return new Float32Array(Uint8Array.from(decode(GOLDEN.expected[layer])).buffer);
}

/** The picture as the network takes it: uint8 RGB [24, 24, 3]. */
export function goldenPixels(): Uint8Array {
  return Uint8Array.from(decode(GOLDEN.pngPixels));
}

/** The picture as files. */
export function goldenImage(format: 'png' | 'jpeg'): Uint8Array {
  return Uint8Array.from(decode(GOLDEN.images[format]));
}

/** Makes the small network as a model folder, which is removed when `use` ends. */
export async function withGoldenModel<T>(use: (folder: ModelFolder) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'img2features-doctor-'));
  try {
    await writeFile(join(dir, 'model.json'), GOLDEN.modelJson);
    await writeFile(join(dir, GOLDEN.shard), decode(GOLDEN.weights));
    return await use(await readModelFolder(dir));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function decode(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}
