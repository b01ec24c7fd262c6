import type { ExtractOptions } from '../options/extract-options.ts';
import type { WorkerEvent } from './protocol.ts';

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
