import { ModelError } from '../../errors.ts';
import type { Variant } from './architecture.ts';
import { buildArchitecture, findArchitecture } from './build-architecture.ts';

type Shapes = ReadonlyMap<string, readonly number[]>;

/**
 * Recognises which variant of an architecture a set of weights belongs to: stage widths, fc units,
 * class count, with or without top, and (where fc1 fixes it) the input size. Every shape is then
 * checked, so what is returned builds exactly these weights.
 * @param shapes weight shapes by "<layer>/<weight>", e.g. "block1_conv1/kernel" → [3, 3, 3, 64]
 * @throws ModelError naming the first weight that is missing, left over or of another shape
 */
export function inferVariant(name: string, shapes: Shapes): Variant {
  const architecture = findArchitecture(name);
  const { standard, stages, fcLayers } = architecture;
  const includeTop = shapes.has('predictions/kernel');
  const widths = stages.map((layer) => outputsOf(name, layer, shapes));
  const variant: Variant = {
    widths,
    fcUnits: includeTop
      ? fcLayers.map((layer) => outputsOf(name, layer, shapes))
      : standard.fcUnits,
    classes: includeTop ? outputsOf(name, 'predictions', shapes) : standard.classes,
    includeTop,
    inputSize:
      includeTop && fcLayers.length > 0
        ? flattenedInputSize(name, shapes, fcLayers[0], widths[widths.length - 1])
        : standard.inputSize,
  };
  checkEveryShape(name, variant, shapes);
  return variant;
}

function outputsOf(name: string, layer: string, shapes: Shapes): number {
  const shape = shapes.get(`${layer}/kernel`);
  if (shape === undefined || shape.length === 0) {
    throw mismatch(name, `a weight ${layer}/kernel`, `${shapes.size} weights without it`);
  }
  return shape[shape.length - 1];
}

/** VGG halves its input five times, so fc1 has (side/32)² · channels rows. */
function flattenedInputSize(
  name: string,
  shapes: Shapes,
  fc: string,
  channels: number,
): [number, number] {
  const rows = shapes.get(`${fc}/kernel`)![0];
  const side = Math.sqrt(rows / channels);
  if (!Number.isInteger(side)) {
    throw mismatch(name, `n·n·${channels} rows for ${fc}/kernel`, `${rows}`);
  }
  return [side * 32, side * 32];
}

function checkEveryShape(name: string, variant: Variant, shapes: Shapes): void {
  const { weights } = buildArchitecture(name, variant);
  for (const { name: weight, shape } of weights) {
    const found = shapes.get(weight);
    if (found === undefined) {
      throw mismatch(name, `a weight ${weight} of shape [${shape.join(', ')}]`, 'none');
    }
    if (String(found) !== String(shape)) {
      throw mismatch(name, `shape [${shape.join(', ')}] for ${weight}`, `[${found.join(', ')}]`);
    }
  }
  if (shapes.size !== weights.length) {
    const known = new Set(weights.map((weight) => weight.name));
    const extra = [...shapes.keys()].find((weight) => !known.has(weight));
    throw mismatch(name, `${weights.length} weights`, `${shapes.size}, among them ${extra}`);
  }
}

function mismatch(name: string, expected: string, found: string): ModelError {
  return new ModelError(`Expected ${expected} in the weights of a ${name} but found ${found}.`, {
    fix: 'Check that --arch names the network that these weights were saved from.',
  });
}
