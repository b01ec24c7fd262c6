import type { ExtractOptions } from '../../options/extract-options.ts';
import type { Extractor, ExtractorHooks, ExtractorPlan } from './extractor.ts';
import { openPixelsExtractor } from './pixels-extractor.ts';

/** Checks what the mode needs, in milliseconds; what a network needs is loaded only for one. */
export async function planExtractor(
  options: ExtractOptions,
  hooks: Pick<ExtractorHooks, 'onEvent'>,
): Promise<ExtractorPlan> {
  if (options.mode === 'pixels') {
    const pixels = openPixelsExtractor();
    const outputs = async () => pixels.outputs;
    return { model: undefined, choice: undefined, outputs, open: async () => pixels };
  }
  const { planNetworkExtractor } = await import('./network-extractor.ts');
  return planNetworkExtractor(options, hooks);
}

/** The extractor of the mode, ready for batches. */
export async function openExtractor(
  options: ExtractOptions,
  hooks: ExtractorHooks,
): Promise<Extractor> {
  return (await planExtractor(options, hooks)).open(hooks);
}
