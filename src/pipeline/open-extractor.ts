import type { ExtractOptions } from '../options/extract-options.ts';
import type { Extractor } from './extractor.ts';
import type { ExtractorHooks } from './network-extractor.ts';
import { openPixelsExtractor } from './pixels-extractor.ts';

/** The extractor of the mode; what a network needs is loaded only for one. */
export async function openExtractor(
  options: ExtractOptions,
  hooks: ExtractorHooks,
): Promise<Extractor> {
  if (options.mode === 'pixels') return openPixelsExtractor();
  const { openNetworkExtractor } = await import('./network-extractor.ts');
  return openNetworkExtractor(options, hooks);
}
