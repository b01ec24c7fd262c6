import { describeOutput } from '../../engine/describe-output.ts';
import type { EngineOutput } from '../../engine/engine.ts';
import { parseLayers } from '../../engine/parse-layers.ts';
import { resolveLayers } from '../../engine/resolve-layers.ts';
import { describeModel, type ModelDescription } from '../../model/describe-model.ts';
import type { ModelFolder } from '../../model/model-folder.ts';
import type { ExtractOptions } from '../../options/extract-options.ts';

/**
 * The vectors that a model's folder gives for `--layer` and `--pool`, without an engine.
 * @throws ModelError, OptionError
 */
export async function networkOutputs(
  folder: ModelFolder,
  { layer, pool }: Pick<ExtractOptions, 'layer' | 'pool'>,
): Promise<{ outputs: EngineOutput[]; model: ModelDescription }> {
  const model = await describeModel(folder);
  const outputs = resolveLayers(folder, parseLayers(layer, pool)).map((request) => {
    const found = model.layers.find(({ name }) => name === request.layer)!;
    return describeOutput(request, [null, ...found.outputShape]);
  });
  return { outputs, model };
}
