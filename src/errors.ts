/**
 * The failures a user can meet. Two kinds exist: a bad image is data (see RejectReason in
 * `image/decode-error.ts`, one line in rejected.jsonl), everything here is fatal for the run.
 *
 * Message grammar: "Expected <what> for <name> but found <what>." `fix` says what to do, when known.
 */
export abstract class Img2FeaturesError extends Error {
  abstract readonly tag: string;
  /** One sentence telling the user what to do. */
  readonly fix: string | undefined;

  constructor(message: string, detail: { fix?: string; cause?: unknown } = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = new.target.name;
    this.fix = detail.fix;
  }
}

/** An option, a configuration file or a command line that is wrong. */
export class OptionError extends Img2FeaturesError {
  readonly tag = 'option';
}

/** The input cannot be listed or read as a whole (one bad image is a rejection instead). */
export class SourceError extends Img2FeaturesError {
  readonly tag = 'source';
}

/** The model folder or Keras file is missing, damaged or not the requested one. */
export class ModelError extends Img2FeaturesError {
  readonly tag = 'model';
}

/** The TensorFlow runtime cannot be installed or loaded. */
export class RuntimeError extends Img2FeaturesError {
  readonly tag = 'runtime';
}

/** The network on the device failed: no such device, out of memory, the engine process ended. */
export class EngineError extends Img2FeaturesError {
  readonly tag = 'engine';
}

/** Output could not be written: full disk, no permission, store refused. */
export class ExportError extends Img2FeaturesError {
  readonly tag = 'export';
}

/** The run's own state does not fit: locked, other options, counts that do not add up. */
export class RunError extends Img2FeaturesError {
  readonly tag = 'run';
}

/** More images are bad than `--max-bad` allows. */
export class TooManyBadError extends RunError {
  /** Why, of every image that this process rejected or an earlier one had stored; in the order of their origins. */
  rejections: readonly { origin: string; reason: string; message: string }[] = [];
}

/** The user or the system asked the run to stop; what is committed stays and can be resumed. */
export class Interrupted extends Img2FeaturesError {
  readonly tag = 'interrupted';
}

/** Why an aborted signal stopped the work: its own reason where that is ours, else Interrupted with `message`. */
export function interruption({ reason }: AbortSignal, message: string): Img2FeaturesError {
  return isImg2FeaturesError(reason) ? reason : new Interrupted(message, { cause: reason });
}

export function isImg2FeaturesError(error: unknown): error is Img2FeaturesError {
  return error instanceof Img2FeaturesError;
}

/** The errno code (`ENOENT`, `ENOSPC`, …) of a system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
