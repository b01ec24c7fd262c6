import { Img2FeaturesError, isImg2FeaturesError } from '../errors.ts';
import type { ErrorEvent } from './protocol.ts';

/** What came on stdin does not follow the protocol, or ends early. */
export class ProtocolError extends Img2FeaturesError {
  readonly tag = 'protocol';
}

/** The reader of the answer has closed it, so nothing can be reported to it. */
export class BrokenPipe extends Error {
  override readonly name = 'BrokenPipe';
}

export function errorEvent(error: unknown): ErrorEvent {
  if (isImg2FeaturesError(error)) {
    return { event: 'error', class: error.name, message: error.message, fix: error.fix };
  }
  const known = error instanceof Error ? error : new Error(String(error));
  return { event: 'error', class: known.name, message: known.message, stack: known.stack };
}
