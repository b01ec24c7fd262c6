/** What a setup reports while it works; the command line prints it. */
export interface SetupStep {
  readonly name: 'tools' | 'wait' | 'download' | 'unpack' | 'compile' | 'try' | 'finish';
  readonly state: 'start' | 'progress' | 'done';
  /** Milliseconds since this step started. */
  readonly ms: number;
  /** One clause, e.g. "tensorflow-cpu 2.21.0, 120 of 274 MB". */
  readonly detail: string;
}

export type OnStep = (step: SetupStep) => void;

/** Runs one step and reports its start, progress and end; `run` returns the closing detail. */
export async function reportStep(
  onStep: OnStep | undefined,
  name: SetupStep['name'],
  detail: string,
  run: (progress: (detail: string) => void) => Promise<string>,
): Promise<void> {
  const started = performance.now();
  const report = (state: SetupStep['state'], text: string) =>
    onStep?.({ name, state, ms: performance.now() - started, detail: text });
  report('start', detail);
  report('done', await run((text) => report('progress', text)));
}
