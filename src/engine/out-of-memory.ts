import { EngineError } from '../errors.ts';

/** The device has no memory left for a batch of this size; a smaller one may run. */
export class OutOfMemory extends EngineError {}

/**
 * What TensorFlow ("OOM when allocating tensor", ResourceExhausted), CUDA, cuDNN, cuBLAS and V8 say then. The last three
 * lines are of libraries that found no memory for themselves, or for a convolution's workspace: TensorFlow then says only
 * that they did not start.
 */
const WORDS = new RegExp(
  [
    /\bOOM\b|RESOURCE_?EXHAUSTED|(?:out[ _]of|ran out of)[ _]memory|allocation failed/,
    /failed to (?:allocate|create) .*(?:memory|bytes|scratch|workspace|work area|buffer)/,
    /failed to allocate memory|_STATUS_ALLOC_FAILED|Creation of compilation cudnn handle failed/,
    /DNN library initialization failed|Could not create cudnn handle|No DNN in stream executor/,
    /(?:without|No|Failed to initialize) BLAS support|No algorithm worked/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

/** Whether a library's message says that memory ran out. */
export function saysOutOfMemory(message: string): boolean {
  return WORDS.test(message);
}
