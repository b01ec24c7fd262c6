import { ModelError } from '../../errors.ts';
import type { StoredWeight } from './stored-layer.ts';

interface WantedWeight {
  readonly name: string;
  readonly shape: readonly number[];
}

/**
 * Finds for each weight that a layer needs the one that the file has: by name where the file uses
 * today's names, else by order (Keras 1's names, and the bare numbers of .weights.h5).
 * @returns the stored weights in the order wanted
 * @throws ModelError naming the layer, the weight and both shapes
 */
export function pairWeights(
  layer: string,
  wanted: readonly WantedWeight[],
  stored: readonly StoredWeight[],
): StoredWeight[] {
  if (stored.length !== wanted.length) {
    throw mismatch(
      `${wanted.length} weights (${wanted.map((weight) => weight.name).join(', ')}) for layer "${layer}"`,
      `${stored.length}`,
    );
  }
  const byName = new Map(stored.map((weight) => [weight.name, weight]));
  const isNamed = byName.size === wanted.length && wanted.every(({ name }) => byName.has(name));
  const pairs = wanted.map(({ name }, i) => (isNamed ? byName.get(name)! : stored[i]));
  for (const [i, { name, shape }] of wanted.entries()) {
    const { dataset } = pairs[i];
    if (String(dataset.shape) !== String(shape)) {
      throw mismatch(
        `shape [${shape.join(', ')}] for ${layer}/${name}`,
        `[${dataset.shape.join(', ')}]`,
      );
    }
    checkFloat(`${layer}/${name}`, pairs[i]);
  }
  return pairs;
}

export function checkFloat(name: string, { dataset }: StoredWeight): void {
  if (dataset.dtype === 'other') {
    throw new ModelError(
      `Expected float32, float16, bfloat16 or float64 values for ${name} but found another type of ${dataset.itemBytes} bytes.`,
      { fix: 'Save the model without quantization.' },
    );
  }
}

function mismatch(expected: string, found: string): ModelError {
  return new ModelError(`Expected ${expected} but found ${found} in the file.`, {
    fix: 'The weights belong to another model, or the file is damaged.',
  });
}
