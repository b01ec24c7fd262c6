/** No byte came for the time allowed, or the whole request took far too long. */
export class StallError extends Error {
  override readonly name = 'StallError';
}

/** What the work of one attempt may use. */
export interface Attempt {
  /** Fires when the attempt is stopped, because no byte comes or because the run ends. */
  readonly signal: AbortSignal;
  /** Bytes came: the time without a byte starts again at zero. */
  touch(): void;
}

/**
 * Runs one attempt of a request, its body included, under two clocks: `silenceMs` since the last byte
 * and `totalMs` in all. The SDK has neither for bodies.
 * @throws StallError; the run signal's reason; what `work` throws
 */
export async function runAttempt<T>(
  { silenceMs, totalMs }: { readonly silenceMs: number; readonly totalMs: number },
  signal: AbortSignal,
  work: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  let fail: (reason: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const giveUp = (reason: unknown) => {
    fail(reason);
    controller.abort(reason);
  };
  const onAbort = () => giveUp(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`;
  const silence = setTimeout(
    () => giveUp(new StallError(`no byte for ${seconds(silenceMs)}`)),
    silenceMs,
  );
  const total = setTimeout(
    () => giveUp(new StallError(`no end after ${seconds(totalMs)}`)),
    totalMs,
  );
  try {
    // A request that ignores its signal must not delay the run either.
    const result = work({ signal: controller.signal, touch: () => silence.refresh() });
    result.catch(() => {});
    return await Promise.race([result, failed]);
  } finally {
    failed.catch(() => {});
    clearTimeout(silence);
    clearTimeout(total);
    signal.removeEventListener('abort', onAbort);
  }
}
