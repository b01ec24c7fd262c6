import { EngineError, OptionError } from '../errors.ts';
import { shapeSize } from '../model/count-values.ts';
import type { EngineOutput } from './engine.ts';
import type { ResolvedLayer } from './resolve-layers.ts';

/**
 * What a request gives from a layer's output.
 * @param shape with the batch axis, which may be null.
 * @throws OptionError when the layer cannot be pooled; EngineError when its size is open.
 */
export function describeOutput(
  { layer, pool }: ResolvedLayer,
  shape: readonly (number | null)[],
): EngineOutput {
  const [, ...axes] = shape as number[];
  if (pool !== 'none' && axes.length !== 3) {
    throw new OptionError(
      `Expected --pool none for the layer ${layer} but found ${pool}: its output [${axes.join(', ')}] has no height and width.`,
      { fix: `Write --layer ${layer}:none, or pool a convolutional layer.` },
    );
  }
  const length = pool === 'none' ? shapeSize(axes) : axes[2];
  if (!Number.isInteger(length)) {
    throw new EngineError(
      `Expected a layer of fixed size for --layer but found ${layer} with [${axes.join(', ')}].`,
    );
  }
  return { layer, pool, length };
}
