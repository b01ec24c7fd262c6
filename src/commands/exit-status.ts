/** 0 complete; 1 complete, and images were rejected; 2 not complete. */
export type ExitStatus = 0 | 1 | 2;

/** 128 + the signal's number, as shells do. */
export const INTERRUPTED_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;
