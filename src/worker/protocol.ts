import type { Pool } from '../engine/engine.ts';
import { Img2FeaturesError, isImg2FeaturesError } from '../errors.ts';
import type { modelFacts } from '../model/model-folder.ts';
import type { ExtractOptions } from '../options/extract-options.ts';

/** Increased when a peer of the old version would misread the new one. */
export const PROTOCOL_VERSION = 1;

/** What a worker writes to stderr, one JSON object a line. */
export type WorkerEvent =
  | ReadyEvent
  | StreamEvent
  | { readonly event: 'note' | 'warning'; readonly message: string }
  /** What a library printed: nothing may reach stdout but the answer. */
  | { readonly event: 'log'; readonly message: string }
  | ErrorEvent;

/** What is known of the answer before anything is loaded: what `worker --describe` prints, and a part of `ready`. */
export interface AnswerDescription {
  readonly protocol: number;
  readonly version: string;
  readonly mode: string;
  /** All columns of the answer, in order. */
  readonly columns: readonly string[];
  /** The feature columns among them; `lengths` repeats their lengths. */
  readonly features: readonly {
    readonly name: string;
    readonly layer: string;
    readonly pool: Pool;
    readonly length: number;
  }[];
  readonly lengths: readonly number[];
  readonly model?: ReturnType<typeof modelFacts> | undefined;
}

/** The first event about the work: input is taken from now on. */
export interface ReadyEvent extends AnswerDescription {
  readonly event: 'ready';
  /** Of the process that reads stdin. */
  readonly pid: number;
  /** `cpu` for pixels. */
  readonly device: string;
  readonly deviceReason?: string | undefined;
  readonly deviceName?: string | undefined;
  readonly library?: string | undefined;
  readonly engine?: string | undefined;
  readonly precision?: string | undefined;
  /** Rows in a batch of the network. */
  readonly batch: number;
  /** Threads that decode. */
  readonly workers: number;
}

/** One input stream was answered to its end. */
export interface StreamEvent {
  readonly event: 'stream';
  /** Rows read, and rows written: the same. */
  readonly received: number;
  readonly sent: number;
  /** Of these, rows without features. */
  readonly rejected: number;
}

export interface ErrorEvent {
  readonly event: 'error';
  readonly class: string;
  readonly message: string;
  readonly fix?: string | undefined;
  /** Only of errors that we do not know. */
  readonly stack?: string | undefined;
  /** Origins in work when the process ended. */
  readonly suspects?: readonly string[] | undefined;
}

/** File descriptor of the answer in the serving process; its 1 and 2 are what libraries print. */
export const ANSWER_FD = 3;

/** To the serving process. */
export type ToChild =
  | {
      readonly type: 'start';
      readonly options: ExtractOptions;
      readonly journalDir: string | undefined;
    }
  | { readonly type: 'stop' };

/** From it: events, and once, as the last message, the result. */
export type FromChild =
  | { readonly type: 'event'; readonly event: WorkerEvent }
  | { readonly type: 'end'; readonly status: 0 | 2 | 141 };

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
