import { parentPort } from 'node:worker_threads';
import { controlOf, type PassShare, SLOT } from './pass-share.ts';
import { TaskTaker } from './task-taker.ts';

/** A thread without a fit ends then. */
const IDLE_MS = 2000;

// The entry of a thread that helps fits, one after the other: it takes tasks turn by turn, until the turn is negative.
let idle: NodeJS.Timeout | undefined;
parentPort!.on('message', ({ share, thread }: { share: PassShare; thread: number }) => {
  clearTimeout(idle);
  const control = controlOf(share);
  const taker = new TaskTaker(share, thread);
  for (let last = 0; ; ) {
    Atomics.wait(control, SLOT.turn, last);
    last = Atomics.load(control, SLOT.turn);
    if (last < 0) break;
    while (taker.takeOne(last));
  }
  idle = setTimeout(() => parentPort!.close(), IDLE_MS);
});
