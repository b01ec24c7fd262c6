import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  conv2d,
  dense,
  flatten,
  input,
  type LayerRow,
} from '../../src/model/architectures/keras-layers.ts';
import { inferLayerShapes } from '../../src/model/layer-shapes.ts';
import type { ModelFolder } from '../../src/model/model-folder.ts';
import { writeModelFolder } from '../../src/model/write-model-folder.ts';

/** Weights by name, each with its shape and values. */
export type TinyWeights = Record<string, readonly [shape: number[], values: number[]]>;

/**
 * A network small enough to compute by hand, for images of 2×2 pixels:
 * `conv` gives R + G + B and 2R - 1 for each pixel, `flat` its 8 values, `sum` (relu) their sum and
 * 100 minus the first. `side` also hangs on the image.
 */
export const TINY_LAYERS: readonly LayerRow[] = [
  input('image', [2, 2]),
  conv2d('conv', 'image', { filters: 2, kernel: 1 }),
  conv2d('side', 'image', { filters: 1, kernel: 2 }),
  flatten('flat', 'conv'),
  dense('sum', 'flat', { units: 2, activation: 'relu' }),
];

export const TINY_WEIGHTS: TinyWeights = {
  'conv/kernel': [
    [1, 1, 3, 2],
    [1, 2, 1, 0, 1, 0],
  ],
  'conv/bias': [[2], [0, -1]],
  'side/kernel': [[2, 2, 3, 1], Array(12).fill(1)],
  'side/bias': [[1], [0]],
  'sum/kernel': [
    [8, 2],
    [1, -1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0],
  ],
  'sum/bias': [[2], [0, 100]],
};

/** A Functional model's topology JSON; `output` is the model's last layer. */
export function functional(layers: readonly LayerRow[], output: string): Record<string, unknown> {
  return {
    model_config: {
      class_name: 'Functional',
      config: {
        name: 'tiny',
        layers: layers.map(({ className, name, config, inbound }) => ({
          class_name: className,
          name,
          config,
          inbound_nodes: inbound.length === 0 ? [] : [inbound.map((from) => [from, 0, 0, {}])],
        })),
        input_layers: [['image', 0, 0]],
        output_layers: [[output, 0, 0]],
      },
    },
  };
}

/** Weights between 0.1 and 1 for means and variances, -0.5 and 0.5 for all else. */
export function randomWeights(layers: readonly LayerRow[]): TinyWeights {
  let state = 1;
  const random = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  const specs = inferLayerShapes(functional(layers, layers.at(-1)!.name))!.flatMap(
    ({ weights }) => weights,
  );
  return Object.fromEntries(
    specs.map(({ name, shape }) => {
      const isMoving = name.includes('/moving_');
      const length = shape.reduce((a, b) => a * b, 1);
      const values = Array.from(
        { length },
        () => random() * (isMoving ? 0.9 : 1) + (isMoving ? 0.1 : -0.5),
      );
      return [name, [[...shape], values]];
    }),
  );
}

/** A folder that is gone when the test is. */
export function temporaryDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'engine-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

/** Writes the tiny model, or a variant of it, to a temporary folder. */
export function writeTinyModel(
  topology: Record<string, unknown> = functional(TINY_LAYERS, 'sum'),
  weights: TinyWeights = TINY_WEIGHTS,
  inputSize: readonly [height: number, width: number] = [2, 2],
  dir = temporaryDir(),
): Promise<ModelFolder> {
  return writeModelFolder(join(dir, 'tiny'), {
    topology,
    metadata: {
      architecture: null,
      preprocessing: 'none',
      inputSize,
      trained: false,
      source: { kind: 'seeded', seed: 0, width: 1 },
    },
    weights: Object.entries(weights).map(([name, [shape, values]]) => ({
      spec: { name, shape, dtype: 'float32' as const },
      chunks: [new Uint8Array(Float32Array.from(values).buffer)],
    })),
  });
}
