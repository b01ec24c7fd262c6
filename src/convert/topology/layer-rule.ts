import type { FlatCall, FlatLayer } from './flatten-graph.ts';

/** A layer as tfjs will read it. Its name and dtype are added when it is written. */
export interface TfjsLayer {
  readonly className: string;
  readonly config: Readonly<Record<string, unknown>>;
}

export interface RuleContext {
  readonly layer: FlatLayer;
  /** Keras 3 gave some names another meaning. */
  readonly isKeras3: boolean;
}

/**
 * How one Keras class becomes tfjs layers. Fields that `keep`, `fixed` and the list of harmless
 * fields do not name must be unset: an argument that tfjs would silently ignore is an error.
 */
export interface LayerRule {
  /** Class in tfjs; default: the same. */
  readonly className?: string;
  /** Fields copied as they are. */
  readonly keep?: readonly string[];
  /** Fields that tfjs ignores or gets wrong: the only values that still give Keras' numbers. */
  readonly fixed?: Readonly<Record<string, readonly unknown[]>>;
  /** Fields without influence on what the layer computes at inference. */
  readonly harmless?: readonly string[];
  /** Weights that get a zero initialiser: the file's values replace them anyway. */
  readonly zeroed?: readonly string[];
  /** The field that holds a wrapped layer, converted by its own rule. */
  readonly inner?: string;
  /** Weights of the file that the layer uses, from the first; default all. */
  readonly storedWeights?: number;
  /** Last changes to the copied fields; may throw `unsupported`. */
  readonly adapt?: (config: Record<string, unknown>, context: RuleContext) => TfjsLayer | undefined;
  /** A second layer that follows, for what tfjs needs two layers to do. The name goes to it. */
  readonly followedBy?: (context: RuleContext) => TfjsLayer | undefined;
  /** One of Keras' image preprocessing layers. */
  readonly image?: boolean;
  /** Instead of all this: what the layer becomes depends on how it is called. */
  readonly perCall?: (call: FlatCall, context: RuleContext) => CallForm;
}

/** A TensorFlow or Keras operation on tensors and numbers, as a tfjs layer. */
export interface CallForm extends TfjsLayer {
  /** The tensors it is called on, where there is a factor multiplied by it first. */
  readonly inputs: readonly { readonly index: number | string; readonly factor?: number }[];
}
