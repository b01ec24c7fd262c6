import { workerData } from 'node:worker_threads';
import { controlOf, type PassShare, SLOT } from './pass-share.ts';
import { TaskTaker } from './task-taker.ts';

// The entry of a thread that helps a fit: it takes tasks turn by turn, until the turn is negative.
const { share, thread } = workerData as { share: PassShare; thread: number };
const control = controlOf(share);
const taker = new TaskTaker(share, thread);
for (let last = 0; ; ) {
  Atomics.wait(control, SLOT.turn, last);
  last = Atomics.load(control, SLOT.turn);
  if (last < 0) break;
  while (taker.takeOne(last));
}
