import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** Signals that ask the command to stop cleanly. */
const FORWARDED = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
/** One Ctrl-C reaches this process from the terminal and again from npm: both count as one. */
const SAME_PRESS_MS = 1000;

/**
 * Runs a command in the foreground on this process's own stdin, stdout and stderr.
 * It gets a process group of its own, so that one Ctrl-C reaches it once: through here.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [where]
 * @returns {Promise<number>} exit status; 128 + signal number when a signal ended it
 */
export async function runCommand(command, args, where = {}) {
  const detached = process.platform !== 'win32';
  const child = spawn(command, args, { ...where, stdio: 'inherit', detached });
  const lastSent = new Map();
  const forward = (/** @type {NodeJS.Signals} */ signal) => {
    if (performance.now() - (lastSent.get(signal) ?? Number.NEGATIVE_INFINITY) < SAME_PRESS_MS)
      return;
    lastSent.set(signal, performance.now());
    child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) =>
        resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']),
      );
    });
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward);
  }
}
