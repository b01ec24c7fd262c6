import { errnoOf } from './errors.ts';

/** Whether a process of this machine lives; a number that is none counts as dead. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM'; // it lives, under another user
  }
}
