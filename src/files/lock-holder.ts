/** Who holds a lock, and whether that process still runs; a process is known by its id, boot and start time. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoOf } from '../errors.ts';

export interface Holder {
  readonly pid: number;
  /** Host name and, on Linux, process namespace: a pid means something only there. */
  readonly host: string;
  readonly boot: string;
  /** When the process started, as the kernel counts; distinguishes a reused pid from the holder. */
  readonly started: string;
  readonly nonce: string;
}

/** Whether a process of this machine runs; undefined for one of another machine. */
export function livesHere(holder: Omit<Holder, 'nonce'>): boolean | undefined {
  const own = ownIdentity();
  if (holder.host !== own.host) return undefined;
  return holder.boot === own.boot && startOf(holder.pid) === holder.started;
}

/** Who this process is, so that another can find whether it still runs. */
export function ownIdentity(): Omit<Holder, 'nonce'> {
  return {
    pid: process.pid,
    host: [hostname(), tryRead(() => readlinkSync('/proc/self/ns/pid'))].join(' ').trim(),
    boot: tryRead(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    started: startOf(process.pid) ?? '',
  };
}

/** Start of a process in kernel ticks since boot, '' where the system does not say; undefined when it has ended. */
function startOf(pid: number): string | undefined {
  if (!isRunning(pid)) return undefined;
  // The second field, the name, may hold spaces and brackets: count from its closing bracket.
  const stat = tryRead(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie process holds no lock any more.
  return fields[0] === 'Z' ? undefined : (fields[19] ?? '');
}

function tryRead(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

/** Whether a process of this machine lives; a number that is none counts as dead. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM'; // it lives, under another user
  }
}
