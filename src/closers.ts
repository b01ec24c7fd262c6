/**
 * Things to close at the end, the newest first: as AsyncDisposableStack, which Node 20 and 22 lack.
 *
 * @example
 * const closers = new Closers();
 * try {
 *   const source = openSource(…);
 *   closers.add(() => source.close());
 * } finally {
 *   await closers.close();
 * }
 */
export class Closers {
  readonly #closers: (() => unknown)[] = [];

  add(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** Closes something that is still opening; an error of the opening belongs to the code that awaits it. */
  addOpening(opening: Promise<{ close(): unknown }>): void {
    const opened = opening.catch(() => undefined);
    this.add(async () => (await opened)?.close());
  }

  /** Closes everything, also where one of them fails. @throws the first error */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
