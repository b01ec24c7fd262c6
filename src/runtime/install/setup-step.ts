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

/** Runs one step, reports its start, progress and end, and returns its result. */
export async function reportStep<T>(
  onStep: OnStep | undefined,
  name: SetupStep['name'],
  detail: string,
  run: (progress: (detail: string) => void) => Promise<T>,
  summary: (result: T) => string,
): Promise<T> {
  const started = performance.now();
  const report = (state: SetupStep['state'], text: string) =>
    onStep?.({ name, state, ms: performance.now() - started, detail: text });
  report('start', detail);
  const result = await run((text) => report('progress', text));
  report('done', summary(result));
  return result;
}
