/** The parts of the process that a command may use; cli.ts gives the real one, tests a recording one. */
export interface CommandContext {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  readonly terminal: {
    readonly isTerminal: boolean;
    readonly columns: number;
    /** Whether each stream gets colours; none when not set. */
    readonly colors?: { readonly stdout: boolean; readonly stderr: boolean };
    readonly stdout: (text: string) => void;
    /** False once stdout could not be written: important text is then written to stderr. */
    readonly canAnswer?: () => boolean;
    readonly stderr: (text: string) => void;
    readonly now: () => number;
  };
}

/**
 * 0 complete; 1 complete, and images were rejected; 2 not complete. 141, only of a worker: nobody reads its answer
 * any more (what a shell reports for SIGPIPE).
 */
export type ExitStatus = 0 | 1 | 2 | 141;

/** 128 + the signal's number, as shells do. */
export const INTERRUPTED_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

/** Called by a command that ran to its end. */
export type Finish = (status: ExitStatus) => void;
