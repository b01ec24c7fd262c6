import { once } from 'node:events';
import { expect, test } from 'vitest';
import { bufferOf } from '../../src/reduce/kernels.ts';
import { controlOf, createPassShare, JOB, SLOT } from '../../src/reduce/passes/pass-share.ts';
import type { PassThreads as Threads } from '../../src/reduce/passes/pass-threads.ts';
import { randomRows } from './feature-rows.ts';

// Threads start from what is built.
const built = new URL('../../dist/reduce/passes/pass-threads.js', import.meta.url).href;
const { PassThreads } = (await import(built)) as { PassThreads: typeof Threads };

/** A product of 64 rows of 8 values with one vector, in four slices. */
const PRODUCT = { job: JOB.product, tasks: 4, rows: 64, sliceRows: 16, groups: 1 };

function share() {
  const made = createPassShare(8, 4, 64);
  const buffer = bufferOf(made.memory);
  new Float64Array(buffer, made.vectors, 32).set(randomRows(1, 32, 1));
  new Float32Array(buffer, made.rows, 64 * 8).set(randomRows(64, 8, 2));
  const sums = () => new Float64Array(buffer, made.sums, 4 * 32).slice();
  return { made, sums };
}

test('what a thread held when it ended is done by another, while others live', async () => {
  const calm = share();
  const one = new PassThreads(calm.made, 1);
  await one.run(PRODUCT);
  await one.close();

  const { made, sums } = share();
  const threads = new PassThreads(made, 3);
  const [first] = threads.threads;
  const exit = once(first!, 'exit');
  await first!.terminate();
  await exit;
  const running = threads.run(PRODUCT);
  // The thread that has ended takes the next task, as it would have just before.
  const control = controlOf(made);
  const ticket = Atomics.add(control, SLOT.ticket, 1);
  if (ticket % 1024 < PRODUCT.tasks) control[SLOT.inHand + 1] = (ticket % 1024) + 1;
  await running;
  await threads.close();
  expect(sums()).toEqual(calm.sums());
  expect(sums().some((value) => value !== 0)).toBe(true);
});
