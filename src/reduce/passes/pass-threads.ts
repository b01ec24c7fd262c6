import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { controlOf, type PassShare, SLOT, TURN } from './pass-share.ts';
import { TaskTaker } from './task-taker.ts';

const POLL_MS = 20;

/** What a turn does; `SLOT` says what each means. */
export type Turn = Record<'job' | 'tasks' | 'rows', number> &
  Partial<Record<'groups' | 'sliceRows' | 'firstRow', number>>;

/** The threads of a fit, this one among them, which do a turn's tasks together. */
export class PassThreads {
  private readonly share: PassShare;
  private readonly control: Int32Array;
  private readonly taker: TaskTaker;
  private readonly threads: Worker[];
  private turn = 0;
  private living = 0;

  /** @param count threads, with this one. */
  constructor(share: PassShare, count: number) {
    this.share = share;
    this.control = controlOf(share);
    this.taker = new TaskTaker(share, 0);
    this.threads = Array.from({ length: count - 1 }, (_, i) => this.start(i + 1));
  }

  async run(what: Turn): Promise<void> {
    const { control } = this;
    const turn = ++this.turn;
    for (const [name, value] of Object.entries(what)) control[SLOT[name as keyof Turn]] = value;
    Atomics.store(control, SLOT.done, 0);
    Atomics.store(control, SLOT.ticket, turn * TURN);
    Atomics.store(control, SLOT.turn, turn);
    Atomics.notify(control, SLOT.turn);
    // The event loop gets its turn between tasks: a signal, a progress bar.
    while (this.taker.takeOne(turn)) await setImmediate();
    await this.waitForOthers(turn, what.tasks);
  }

  async close(): Promise<void> {
    Atomics.store(this.control, SLOT.turn, -1);
    Atomics.notify(this.control, SLOT.turn);
    await Promise.all(this.threads.map((thread) => thread.terminate()));
  }

  /** At most a task is still in work in each thread. What a thread that died held is done here. */
  private async waitForOthers(turn: number, tasks: number): Promise<void> {
    const { control } = this;
    for (;;) {
      const done = Atomics.load(control, SLOT.done);
      if (done >= tasks) return;
      if (this.living === 0) {
        for (let task = 0; task < tasks; task++) {
          if (Atomics.load(control, SLOT.tasksDone + task) !== turn) this.taker.run(task, turn);
        }
        return;
      }
      Atomics.wait(control, SLOT.done, done, POLL_MS);
      await setImmediate();
    }
  }

  private start(number: number): Worker {
    const thread = new Worker(new URL('./pass-worker.js', import.meta.url), {
      workerData: { share: this.share, thread: number },
    });
    this.living++;
    thread.unref();
    // A thread that cannot be had or that dies leaves its work to the others.
    thread.on('error', () => {});
    thread.on('exit', () => this.living--);
    return thread;
  }
}
