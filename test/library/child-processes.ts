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

export const hasProc = process.platform === 'linux';
