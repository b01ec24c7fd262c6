import type { EngineOutput } from '../engine/engine.ts';
import { featureColumns } from '../export/column-names.ts';
import { type ModelFolder, modelFacts } from '../model/model-folder.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { packageVersion } from '../package-version.ts';
import { openPixelsExtractor } from '../pipeline/extractor/open-extractor.ts';
import { type AnswerSchema, answerSchema } from './answer-stream.ts';
import { type AnswerDescription, PROTOCOL_VERSION } from './protocol.ts';

/**
 * What a worker with these options would answer, by the model's folder alone: no engine starts.
 * @throws ModelError, OptionError where the worker would not start either
 */
export async function describeWorker(options: ExtractOptions): Promise<AnswerDescription> {
  const { mode } = options;
  const { outputs, folder } =
    mode === 'pixels'
      ? { ...openPixelsExtractor(), folder: undefined }
      : await readNetwork(options);
  return describeAnswer(mode, answerSchema(featureColumns(mode, outputs, 0)), outputs, folder);
}

/** @param outputs those that the schema's vectors are */
export function describeAnswer(
  mode: string,
  { vectors, arrow }: AnswerSchema,
  outputs: readonly EngineOutput[],
  model: ModelFolder | undefined,
): AnswerDescription {
  return {
    protocol: PROTOCOL_VERSION,
    version: packageVersion(),
    mode,
    columns: arrow.fields.map(({ name }) => name),
    features: vectors.map(({ name, output, length }) => {
      const { layer, pool } = outputs[output];
      return { name, layer, pool, length };
    }),
    lengths: vectors.map(({ length }) => length),
    ...(model !== undefined && { model: modelFacts(model) }),
  };
}

/** What only networks need is loaded only for one. */
async function readNetwork(options: ExtractOptions) {
  const [{ findModelFolder }, { readModelFolder }, { networkOutputs }] = await Promise.all([
    import('../model/find-model-folder.ts'),
    import('../model/read-model-folder.ts'),
    import('../pipeline/extractor/network-extractor.ts'),
  ]);
  const { mode, model, preprocessing } = options;
  const folder = await readModelFolder(findModelFolder(mode, model), { preprocessing });
  const { outputs } = await networkOutputs(folder, options);
  return { outputs, folder };
}
