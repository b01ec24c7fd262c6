/**
 * 0 complete; 1 complete, and images were rejected; 2 not complete. 141, only of a worker: nobody reads its answer
 * any more (what a shell reports for SIGPIPE).
 */
export type ExitStatus = 0 | 1 | 2 | 141;

/** 128 + the signal's number, as shells do. */
export const INTERRUPTED_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;
