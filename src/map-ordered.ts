/**
 * Runs `work` on items with at most `inFlight` at once and yields the results in the items' order.
 * Memory: `inFlight` items and results. The first failure is thrown in order; the other promises
 * are settled first, so that nothing is left running or rejected without a handler.
 */
export async function* mapOrdered<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  inFlight: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const pending: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      result.catch(() => {}); // the error is handled below, in order
      pending.push(result);
      if (pending.length >= inFlight) yield await pending.shift()!;
    }
    while (pending.length > 0) yield await pending.shift()!;
  } finally {
    await Promise.allSettled(pending);
  }
}
