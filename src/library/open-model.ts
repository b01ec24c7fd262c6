import type { RunEvent } from '../events.ts';
import { DecodePool } from '../image/pool/decode-pool.ts';
import { decodeOptions } from '../pipeline/decode-options.ts';
import { openExtractor } from '../pipeline/extractor/open-extractor.ts';
import { EmbeddingModel } from './embedding-model.ts';
import { type ModelOptions, resolveModelOptions } from './feature-options.ts';
import type { Model } from './model.ts';

export interface OpenModelHooks {
  /** Ends the model at once: open calls reject with Interrupted. `close` is still to be called. */
  readonly signal?: AbortSignal | undefined;
  /** What the command prints: the device taken and why, weights that are not trained. */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

/**
 * Opens a model folder for images that come one by one, as to a server.
 *
 * @throws OptionError | ModelError | RuntimeError | EngineError as the command does
 * @example
 * await using model = await openModel('models/vgg16', { layer: 'fc2' });
 * const [cat] = await model.embed([await readFile('cat.jpg')]); // cat.vector: Float32Array(4096)
 */
export async function openModel(
  dir: string,
  options: ModelOptions = {},
  { signal = new AbortController().signal, onEvent = () => {} }: OpenModelHooks = {},
): Promise<Model> {
  const resolved = resolveModelOptions(dir, options);
  const extractor = await openExtractor(resolved, { signal, onEvent, isInteractive: true });
  const pool = new DecodePool(decodeOptions(resolved, extractor), resolved.workers, {
    imageTimeoutMs: resolved.imageTimeout * 1000,
  });
  return new EmbeddingModel(extractor, pool, resolved.workers);
}
