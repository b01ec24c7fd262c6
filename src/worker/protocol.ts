import type { Pool } from '../engine/engine.ts';

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
  readonly model?:
    | {
        /** null for a network that is none of the known ones. */
        readonly architecture: string | null;
        readonly preprocessing: string;
        readonly trained: boolean;
        readonly weightsSha256: string;
      }
    | undefined;
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
