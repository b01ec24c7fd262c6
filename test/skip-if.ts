import { describe, type TestContext, test } from 'vitest';

declare module 'vitest' {
  interface TaskMeta {
    /** Why the test is skipped; scripts/test.mjs prints it after the last test. */
    whySkipped?: string;
  }
}

/**
 * Options for `test` and `describe` that cannot run everywhere: a skip without its reason fails a whole run.
 * @example test('is fast on AVX2', skipIf(!hasAvx2, 'no AVX2'), () => { … })
 */
export function skipIf(isLacking: boolean, why: string) {
  return isLacking ? { skip: true, meta: { whySkipped: why } } : {};
}

/** A suite that needs something; where that is not found, one skipped test stands for all. */
export function describeIf<T>(
  title: string,
  { found, why }: { found: T | undefined; why: string },
  body: (found: T) => void,
): void {
  if (found !== undefined) describe(title, () => body(found));
  else describe(title, () => test('all its tests', skipIf(true, why), () => {}));
}

/** Skips the rest of a test that has begun, for a reason that only then is known. */
export function skipNow({ task, skip }: TestContext, why: string): never {
  task.meta.whySkipped = why;
  return skip(why);
}

export const NO_TENSORFLOW = 'TensorFlow is not set up (img2features setup)';
