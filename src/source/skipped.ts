/** What a listing left out, by why, the most frequent first: files, and folders that it did not list, each as one. */
export type Skipped = Readonly<Record<string, number>>;

/** A folder can hold a million different extensions. */
const MOST_KINDS = 100;
const SHOWN_KINDS = 8;

export class SkipCounter {
  readonly #counts = new Map<string, number>();

  add(why: string): void {
    const kind = this.#counts.has(why) || this.#counts.size < MOST_KINDS ? why : 'others';
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  counts(): Skipped {
    const byCount = [...this.#counts].sort(([x, n], [y, m]) => m - n || (x < y ? -1 : 1));
    return Object.fromEntries(byCount);
  }
}

export function countSkipped(skipped: Skipped): number {
  return Object.values(skipped).reduce((sum, count) => sum + count, 0);
}

/** `15 skipped: extension .txt 12, folder .git 3`. */
export function describeSkipped(skipped: Skipped): string {
  const kinds = Object.entries(skipped);
  const shown = kinds.slice(0, SHOWN_KINDS).map(([why, count]) => `${why} ${count}`);
  const rest = kinds.length - shown.length;
  if (rest > 0) shown.push(`${rest} more kinds`);
  return `${countSkipped(skipped)} skipped${shown.length > 0 ? `: ${shown.join(', ')}` : ''}`;
}
