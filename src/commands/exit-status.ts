/**
 * 0 complete; 1 complete, and images were rejected; 2 not complete. 141, a worker's only: nobody reads its answer
 * any more (what a shell says of SIGPIPE).
 */
export type ExitStatus = 0 | 1 | 2 | 141;

/** 128 + the signal's number, as shells do. */
export const INTERRUPTED_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;
