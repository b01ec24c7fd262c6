import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { controlOf, type PassShare, SLOT, TURN } from './pass-share.ts';
import { TaskTaker } from './task-taker.ts';

const POLL_MS = 20;
/** Idle workers may keep a fit's memory of so many bytes. */
const KEPT_BYTES = 64 * 2 ** 20;

/** What a turn does; `SLOT` says what each means. */
export type Turn = Record<'job' | 'tasks' | 'rows', number> &
  Partial<Record<'groups' | 'sliceRows' | 'firstRow', number>>;

/** The threads of a fit, this one among them, which do a turn's tasks together. */
export class PassThreads {
  readonly #share: PassShare;
  readonly #control: Int32Array;
  readonly #taker: TaskTaker;
  /** The others, which run in workers. */
  readonly threads: Worker[];
  #turn = 0;
  /** Numbers of threads that have ended. */
  readonly #ended: number[] = [];
  readonly #onExits: (() => void)[] = [];

  /** @param count threads, with this one. */
  constructor(share: PassShare, count: number) {
    this.#share = share;
    this.#control = controlOf(share);
    this.#taker = new TaskTaker(share, 0);
    this.threads = Array.from({ length: count - 1 }, (_, i) => this.#start(i + 1));
  }

  async run(what: Turn): Promise<void> {
    this.begin(what);
    await this.finish();
  }

  /** Lets the others work; `finish` comes before the next turn. */
  begin(what: Turn): void {
    const control = this.#control;
    const turn = ++this.#turn;
    for (const [name, value] of Object.entries(what)) control[SLOT[name as keyof Turn]] = value;
    Atomics.store(control, SLOT.done, 0);
    Atomics.store(control, SLOT.ticket, turn * TURN);
    Atomics.store(control, SLOT.turn, turn);
    Atomics.notify(control, SLOT.turn);
  }

  /** Helps until the turn is done. */
  async finish(): Promise<void> {
    const turn = this.#turn;
    // The event loop runs between tasks, for a signal or a progress bar.
    while (this.#taker.takeOne(turn)) await setImmediate();
    await this.#waitForOthers(turn, this.#control[SLOT.tasks]);
  }

  /** Ends the workers, or leaves them to the next fit where the memory that they keep until then is small. */
  async close(): Promise<void> {
    Atomics.store(this.#control, SLOT.turn, -1);
    Atomics.notify(this.#control, SLOT.turn);
    const threads = this.threads.splice(0);
    const isSmall = this.#control.buffer.byteLength <= KEPT_BYTES;
    await Promise.all(
      threads.map((thread, i) => {
        thread.off('exit', this.#onExits[i]);
        if (!isSmall) return thread.terminate();
        return this.#ended.includes(i + 1) || idle.push(thread);
      }),
    );
  }

  /** At most one task is still in work in each thread. The task of a thread that ended is done here. */
  async #waitForOthers(turn: number, tasks: number): Promise<void> {
    const control = this.#control;
    for (;;) {
      const done = Atomics.load(control, SLOT.done);
      if (done >= tasks) return;
      for (const number of this.#ended) {
        const task = Atomics.exchange(control, SLOT.inHand + number, 0) - 1;
        if (task >= 0 && Atomics.load(control, SLOT.tasksDone + task) !== turn) {
          this.#taker.run(task, turn);
        }
      }
      Atomics.wait(control, SLOT.done, done, POLL_MS);
      await setImmediate();
    }
  }

  #start(number: number): Worker {
    const thread = idle.pop() ?? startWorker();
    thread.postMessage({ share: this.#share, thread: number });
    // Where a thread cannot start or ends early, the others do its work.
    const onExit = () => this.#ended.push(number);
    thread.once('exit', onExit);
    this.#onExits.push(onExit);
    return thread;
  }
}

/** Workers without a fit: to start one takes longer than to sum some 10,000 rows of pixels. */
const idle: Worker[] = [];

function startWorker(): Worker {
  const thread = new Worker(new URL('./pass-worker.js', import.meta.url));
  thread.unref();
  thread.on('error', () => {});
  thread.on('exit', () => {
    if (idle.includes(thread)) idle.splice(idle.indexOf(thread), 1);
  });
  return thread;
}
