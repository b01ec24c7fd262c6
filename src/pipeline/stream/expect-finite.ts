import type { EngineOutput } from '../../engine/engine.ts';
import { EngineError } from '../../errors.ts';
import { firstNotFinite } from '../../first-not-finite.ts';

/**
 * Checks what a network made of a batch, whichever engine ran it: NaN and infinity are no features, and a row without
 * them is never guessed.
 * @param values float32 [n, length] for each output
 * @param nameOf the image of a row, for the message
 * @throws EngineError naming the layer and the image
 */
export function expectFinite(
  values: readonly Float32Array[],
  outputs: readonly EngineOutput[],
  nameOf: (row: number) => string,
): void {
  for (const [i, { layer, length }] of outputs.entries()) {
    const at = firstNotFinite(values[i]!);
    if (at === -1) continue;
    throw new EngineError(
      `Expected finite features of layer ${layer} for ${nameOf(Math.floor(at / length))} but found ${values[i]![at]}.`,
      {
        fix: 'Use --precision fp32. Where that is so already, the weights are too large: take another model.',
      },
    );
  }
}
