import { ModelError } from '../errors.ts';
import { tensorflowJs } from '../runtime/tensorflow-js.ts';
import type { LayerShape } from './layer-shapes.ts';

const BACKEND = 'img2features-shapes';

/**
 * Output and weight shapes of any topology that tfjs-layers can build. It is built for real, on a
 * backend that keeps no values and with zero initialisers, so that 500 MB of weights cost nothing.
 * @throws ModelError naming the layer that tfjs does not know
 */
export async function traceLayerShapes(
  topology: Readonly<Record<string, unknown>>,
): Promise<LayerShape[]> {
  // Loaded on use: it takes half a second, which models of known layers do not need.
  const tf = tensorflowJs().tfjs();
  const previous = tf.engine().backendName;
  registerShapeBackend(tf);
  await tf.setBackend(BACKEND);
  try {
    const model = await tf.models.modelFromJSON({
      modelTopology: withoutInitializers(topology),
    } as Parameters<typeof tf.models.modelFromJSON>[0]);
    const shapes = model.layers.map((layer) => ({
      name: layer.name,
      className: layer.getClassName(),
      outputShape: (layer.outputShape as (number | null)[]).slice(1),
      weights: layer.weights.map((weight) => ({
        name: weight.originalName,
        shape: weight.shape as number[],
        dtype: 'float32' as const,
      })),
    }));
    model.dispose();
    return shapes;
  } catch (cause) {
    const [reason] = (cause as Error).message.split(/(?<=\.)\s/);
    throw new ModelError(
      `Expected a network of layers that tfjs can build but found: ${reason?.replace(/\.$/, '')}.`,
      { cause },
    );
  } finally {
    tf.removeBackend(BACKEND);
    if (previous) await tf.setBackend(previous);
  }
}

/** Counts references as tfjs asks of a backend, and keeps no values. */
function registerShapeBackend(tf: typeof import('@tensorflow/tfjs')): void {
  class ShapeBackend extends tf.KernelBackend {
    readonly #references = new Map<object, number>();
    override write(): object {
      const dataId = {};
      this.#references.set(dataId, 1);
      return dataId;
    }
    override refCount(dataId: object): number {
      return this.#references.get(dataId) ?? 0;
    }
    override incRef(dataId: object): void {
      this.#references.set(dataId, this.refCount(dataId) + 1);
    }
    override disposeData(dataId: object): boolean {
      const left = this.refCount(dataId) - 1;
      if (left > 0) this.#references.set(dataId, left);
      else this.#references.delete(dataId);
      return left <= 0;
    }
    override numDataIds(): number {
      return this.#references.size;
    }
    override floatPrecision(): 32 {
      return 32;
    }
    override epsilon(): number {
      return 1e-7;
    }
    override dispose(): void {
      this.#references.clear();
    }
  }
  tf.registerBackend(BACKEND, () => new ShapeBackend());
}

/** Random, orthogonal or identity initialisers would need kernels and time. */
function withoutInitializers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutInitializers);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) =>
      key.endsWith('_initializer') && item !== null
        ? [key, { class_name: 'Zeros', config: {} }]
        : [key, withoutInitializers(item)],
    ),
  );
}
