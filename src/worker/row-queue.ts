import { RunError } from '../errors.ts';
import type { RejectReason } from '../image/decode-error.ts';

/** One row of the answer. */
export interface AnsweredRow {
  readonly origin: string;
  readonly target: string;
  /** For each output a view of its float32 vector; undefined where the row was rejected. */
  readonly vectors: readonly Float32Array[] | undefined;
  readonly reason: RejectReason | undefined;
  readonly message: string | undefined;
}

interface WaitingRow {
  readonly origin: string;
  readonly target: string;
  answer: Pick<AnsweredRow, 'vectors' | 'reason' | 'message'> | undefined;
}

/**
 * The rows of one stream between their reading and their writing. They are added in order, get their answers in any order
 * and leave in order, each once: a row without an answer delays all rows after it.
 */
export class RowQueue {
  readonly #waiting: WaitingRow[] = [];
  /** Of #waiting: rows before it have left. */
  #head = 0;
  /** Rows that have left since the stream began, #head not counted. */
  #dropped = 0;
  #rejected = 0;

  /** Rows added since the stream began. */
  get received(): number {
    return this.#dropped + this.#waiting.length;
  }

  get rejected(): number {
    return this.#rejected;
  }

  /** @returns the row's position in the stream */
  add(origin: string, target: string): number {
    return this.#dropped + this.#waiting.push({ origin, target, answer: undefined }) - 1;
  }

  /** Of a row that has not left. */
  originOf(position: number): string {
    return this.#waiting[position - this.#dropped].origin;
  }

  accept(position: number, vectors: readonly Float32Array[]): void {
    this.#settle(position, { vectors, reason: undefined, message: undefined });
  }

  reject(position: number, reason: RejectReason, message: string): void {
    this.#settle(position, { vectors: undefined, reason, message });
    this.#rejected++;
  }

  /** Rows that can leave now, at most `most`; they leave with this. */
  take(most: number): AnsweredRow[] {
    const rows: AnsweredRow[] = [];
    while (rows.length < most) {
      const { origin, target, answer } = this.#waiting[this.#head] ?? {};
      if (answer === undefined) break;
      rows.push({ origin, target, ...answer });
      this.#head++;
    }
    if (this.#head > 4096) {
      this.#waiting.splice(0, this.#head);
      this.#dropped += this.#head;
      this.#head = 0;
    }
    return rows;
  }

  #settle(position: number, answer: WaitingRow['answer']): void {
    const at = position - this.#dropped;
    const row = at < this.#head ? undefined : this.#waiting[at];
    if (row === undefined || row.answer !== undefined) {
      throw new RunError(
        `Expected one answer for row ${position} but found another; rows would be mixed up.`,
      );
    }
    row.answer = answer;
  }
}
