import { ModelError } from '../../errors.ts';
import { tensorflowJs } from '../../runtime/tensorflow-js.ts';

export interface BuiltLayer {
  readonly name: string;
  /** Of its first call, without the batch; null = open. */
  readonly outputShape: readonly (number | null)[];
  /** In the layer's own order. */
  readonly weights: readonly {
    /** Without the layer in front, e.g. "kernel". */
    readonly name: string;
    /** As tfjs asks for it in a file. */
    readonly fullName: string;
    readonly shape: readonly number[];
  }[];
}

/**
 * Lets tfjs build the model, without values, and returns which weights of which shapes it needs. What
 * tfjs cannot read fails here, before anything is written.
 * @throws ModelError with tfjs' own reason
 */
export async function buildWithTfjs(
  topology: Readonly<Record<string, unknown>>,
  label: string,
): Promise<readonly BuiltLayer[]> {
  const tf = tensorflowJs().tfjs();
  // Else its CPU backend prints an advertisement on first use.
  tf.enableProdMode();
  const registered = () => Object.values(tf.engine().registeredVariables);
  const before = new Set(registered());
  try {
    const model = await tf.loadLayersModel({
      load: async () => ({ modelTopology: structuredClone(topology) }),
    });
    return model.layers.map((layer) => ({
      name: layer.name,
      outputShape: [layer.getOutputAt(0)].flat()[0].shape.slice(1),
      weights: layer.weights.map((weight) => ({
        name: weight.originalName.slice(weight.originalName.lastIndexOf('/') + 1),
        fullName: weight.originalName,
        shape: weight.shape.map((side) => side ?? 0),
      })),
    }));
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0].slice(0, 300).replace(/\.$/, '');
    throw new ModelError(`Expected a model that tfjs can build in ${label} but found: ${reason}.`, {
      fix: 'Save a part of the model without the layer named here, and convert that.',
      cause,
    });
  } finally {
    // A model's own dispose() leaves the weights of layers that are used twice; their names would meet those of
    // a caller's tfjs, which shares this engine.
    for (const variable of registered()) if (!before.has(variable)) variable.dispose();
  }
}
