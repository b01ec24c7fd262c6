/** Why an image has no row: the stable codes of rejected.jsonl. */
export type RejectReason =
  | 'empty_file'
  | 'not_an_image'
  | 'truncated'
  | 'corrupt'
  | 'unsupported_format'
  | 'unsupported_color'
  | 'too_many_pixels'
  | 'not_a_file'
  | 'broken_link'
  | 'unreadable'
  | 'vanished'
  | 'changed'
  | 'name_not_utf8'
  /** Took longer than --image-timeout. */
  | 'timeout'
  /** Its decoder ended the process, in a run and again when it was tried alone. */
  | 'crashed';

/** One image cannot become pixels. Never fatal: the pool turns it into a rejection. */
export class DecodeError extends Error {
  readonly reason: RejectReason;

  constructor(reason: RejectReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'DecodeError';
    this.reason = reason;
  }
}

/** @param format for the message: "PNG" */
export function endsEarly(format: string, cause?: unknown): DecodeError {
  const message = `Expected a complete ${format} but found one that ends early.`;
  return new DecodeError('truncated', message, cause);
}
