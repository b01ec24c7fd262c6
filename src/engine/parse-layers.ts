import { OptionError } from '../errors.ts';
import type { LayerRequest, Pool } from './engine.ts';

const POOLS: readonly Pool[] = ['none', 'avg', 'max'];

/**
 * Reads the value of `--layer`: names divided by commas, each with its own pooling after a colon.
 * @param text e.g. "fc1,fc2,block5_pool:avg"; undefined asks for the model's last layer.
 * @param defaultPool pooling of the names without a colon: the value of `--pool`.
 * @throws OptionError
 */
export function parseLayers(text: string | undefined, defaultPool: Pool): LayerRequest[] {
  if (text === undefined) return [{ layer: undefined, pool: defaultPool }];
  const requests = text.split(',').map((item) => parseLayer(item.trim(), text, defaultPool));
  const seen = new Set<string>();
  for (const { layer, pool } of requests) {
    const key = `${layer}:${pool}`;
    if (seen.has(key)) {
      throw new OptionError(`Expected each layer once for --layer but found "${key}" twice.`, {
        fix: 'Remove one of them.',
      });
    }
    seen.add(key);
  }
  return requests;
}

function parseLayer(item: string, text: string, defaultPool: Pool): LayerRequest {
  // Layer names of Keras may hold "/" but never ":".
  const [layer, pool = defaultPool, ...rest] = item.split(':');
  if (layer === '' || rest.length > 0) {
    throw new OptionError(
      `Expected layer names divided by commas for --layer but found ${JSON.stringify(text)}.`,
      { fix: 'Write for example --layer fc1,fc2,block5_pool:avg.' },
    );
  }
  if (!isPool(pool)) {
    throw new OptionError(
      `Expected none, avg or max after the colon for --layer but found "${item}".`,
      { fix: `Write ${layer}, ${layer}:avg or ${layer}:max.` },
    );
  }
  return { layer, pool };
}

function isPool(pool: string): pool is Pool {
  return (POOLS as readonly string[]).includes(pool);
}
