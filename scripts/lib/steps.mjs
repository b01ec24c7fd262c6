import { spawn } from 'node:child_process';

/** Lines of a failed command's output that the user is shown. */
const SHOWN_LINES = 20;

/** A step of the set-up failed: one line for the user, and what to do about it. */
export class StepError extends Error {
  /**
   * @param {string} message
   * @param {string} [output] the last lines of what the failed command said
   */
  constructor(message, output = '') {
    super(output === '' ? message : `${message}\n${output}`);
    this.name = 'StepError';
  }
}

/**
 * @typedef {object} Step
 * @property {string} what what the step does, in the imperative
 * @property {() => boolean | Promise<boolean>} isDone true when there is nothing to do
 * @property {() => string | void | Promise<string | void>} run does it; may return a remark
 */

/**
 * Runs one step and prints one line: what it does, then "done in 1.2 s" or "already there".
 * @param {Step} step
 * @param {NodeJS.WritableStream} out
 */
export async function runStep(step, out) {
  out.write(`${step.what} … `);
  const start = performance.now();
  try {
    if (await step.isDone()) {
      out.write('already there\n');
      return;
    }
    const remark = await step.run();
    out.write(remark ?? `done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    out.write('\n');
  } catch (error) {
    out.write('failed\n');
    throw error;
  }
}

/**
 * Runs a command to its end with its noise caught; the last lines are kept for the error.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv }} where
 * @returns {Promise<{ status: number, tail: string }>} `status` is 127 when the command is missing
 */
export function runQuietly(command, args, where) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...where, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const keep = (/** @type {Buffer} */ chunk) => {
      said = (said + chunk.toString()).slice(-16_384);
    };
    const finish = (/** @type {number} */ status) =>
      resolve({ status, tail: said.trimEnd().split('\n').slice(-SHOWN_LINES).join('\n') });
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => {
      said += `${error.message}\n`;
      finish(127);
    });
    child.on('close', (code, signal) => finish(code ?? (signal === null ? 1 : 128)));
  });
}
