import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Runs a whole process to its end.
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<{ seconds: number, peakMB: number | undefined, stdout: string }>} wall seconds, and the largest
 *   resident set of the process itself (Linux only, sampled every 20 ms)
 * @throws Error with the end of stderr when it fails
 */
export async function timedProcess(command, args, env = process.env) {
  const started = performance.now();
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr = (stderr + chunk).slice(-4000)));
  let peakMB;
  const sampling = setInterval(() => {
    peakMB = peakOf(child.pid) ?? peakMB;
  }, 20);
  try {
    const status = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    const seconds = (performance.now() - started) / 1000;
    if (status !== 0)
      throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stderr}`);
    return { seconds, peakMB, stdout };
  } finally {
    clearInterval(sampling);
  }
}

function peakOf(pid) {
  try {
    const kB = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kB === undefined ? undefined : Math.round(Number(kB) / 1000);
  } catch {
    return undefined;
  }
}
