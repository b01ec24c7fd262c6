import type * as Tfjs from '@tensorflow/tfjs';

/** What tfjs and tfjs-node both export. */
export type TfNamespace = Omit<typeof Tfjs, 'default'>;

/** One tfjs backend, ready to load a model. */
export interface EagerBackend {
  readonly tf: TfNamespace;
  readonly library: string;
  /** Whether tensors keep the memory they are made from. */
  readonly borrows: boolean;
  /** Largest batch that runs at once; larger ones run in slices. Bounds the activations' memory. */
  readonly sliceImages: number;
  /** Backend to build the model on, when zeros are dear on the one that runs it. */
  readonly buildsOn: string | undefined;
}
