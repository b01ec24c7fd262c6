import { readdirSync, readFileSync } from 'node:fs';

/** Processes that this one started and that still live. */
export function childProcesses(): number[] {
  const threads = readdirSync('/proc/self/task');
  return threads.flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
}

/** Those that were not there before; others may end meanwhile. */
export function startedSince(before: readonly number[]): number[] {
  return childProcesses().filter((pid) => !before.includes(pid));
}

export const hasProc = process.platform === 'linux';
