import type * as Tfjs from '@tensorflow/tfjs';
import { ModelError } from '../../errors.ts';
import type { ModelFolder } from '../../model/model-folder.ts';
import { AlignedArena } from '../aligned-arena.ts';
import { byteLength, WeightReader } from '../weight-reader.ts';
import type { TfNamespace } from './eager-backend.ts';

/** A weight of a tfjs layers model; its class is not part of tfjs' public types. */
interface LayerWeight {
  readonly originalName: string;
  readonly shape: readonly (number | null)[];
  write(value: Tfjs.Tensor): unknown;
}

/**
 * Reads the weights that `model` has from the folder's shards, one tensor at a time: at most one
 * copy of the weights exists beside what the backend keeps.
 *
 * @param borrows whether the backend keeps the memory that it is given (tfjs-node), or copies it at
 *   once (wasm), so that one buffer serves all tensors.
 * @throws ModelError when a weight is missing, has another shape, or a shard is damaged.
 */
export function loadWeights(
  tf: TfNamespace,
  model: Tfjs.LayersModel,
  folder: ModelFolder,
  borrows: boolean,
): void {
  const weights = model.weights as unknown as LayerWeight[];
  const reader = new WeightReader(folder);
  try {
    const specs = weights.map((weight) => findSpec(reader, weight, folder));
    const sizes = specs.map(byteLength);
    const arena = new AlignedArena(sizes.reduce((sum, size) => sum + size + 64, 0));
    const scratch = borrows ? undefined : new Uint8Array(Math.max(0, ...sizes));
    for (const [i, weight] of weights.entries()) {
      const bytes = scratch?.subarray(0, sizes[i]) ?? arena.allocate(sizes[i]);
      reader.read(specs[i].name, bytes);
      const values = new Float32Array(bytes.buffer, bytes.byteOffset, sizes[i] / 4);
      const tensor = tf.tensor(values, [...specs[i].shape], 'float32');
      weight.write(tensor);
      tensor.dispose();
    }
    reader.expectUnchanged();
  } finally {
    reader.close();
  }
}

function findSpec(reader: WeightReader, weight: LayerWeight, folder: ModelFolder) {
  const name = weight.originalName;
  const spec = reader.find(name);
  const found = spec === undefined ? 'none' : `[${spec.shape.join(', ')}]`;
  if (spec === undefined || found !== `[${weight.shape.join(', ')}]`) {
    throw new ModelError(
      `Expected a weight "${name}" of shape [${weight.shape.join(', ')}] in ${folder.dir} but found ${found}.`,
      { fix: 'The folder is damaged: convert, fetch or init the model again.' },
    );
  }
  return spec;
}
