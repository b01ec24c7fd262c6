import { EngineError } from '../errors.ts';

/** The device has no memory left for a batch of this size; a smaller one may run. */
export class OutOfMemory extends EngineError {}

/** What TensorFlow ("OOM when allocating tensor", ResourceExhausted), CUDA, cuDNN and V8 say then. */
const WORDS =
  /\bOOM\b|RESOURCE_?EXHAUSTED|out[ _]of[ _]memory|failed to allocate (memory|.*bytes)|allocation failed/i;

/** Whether a library's message says that memory ran out. */
export function saysOutOfMemory(message: string): boolean {
  return WORDS.test(message);
}
