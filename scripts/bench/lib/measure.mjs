/** Times of work in this process and of whole processes, their medians, and what they were measured on. */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

/**
 * @typedef {object} Row one line of a table
 * @property {string} stage
 * @property {string} what
 * @property {string} unit
 * @property {number} median
 * @property {number} min
 * @property {number} max
 * @property {number} runs
 */

/**
 * Runs all contestants in turn, round after round, so that what else the machine does meets all of them.
 * @template {object} C
 * @template R
 * @param {(C & { rounds?: number })[]} contestants `rounds`: less than the others, for one that takes minutes
 * @param {number} rounds
 * @param {(contestant: C, round: number) => R | Promise<R>} measureOnce
 * @returns {Promise<R[][]>} for each contestant its rounds
 */
export async function inTurn(contestants, rounds, measureOnce) {
  /** @type {R[][]} */
  const found = contestants.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      if (round >= (contestant.rounds ?? rounds)) continue;
      found[i].push(await measureOnce(contestant, round));
    }
  }
  return found;
}

/** So many results, after one that warms up and is not counted. @template R @param {number} count @param {() => R | Promise<R>} measureOnce */
export async function repeated(count, measureOnce) {
  const [found] = await inTurn([{}], count + 1, measureOnce);
  return found.slice(1);
}

/**
 * The clock, and the processor time that `work` takes in this process, its threads included: on a shared machine it
 * says more than the clock.
 * @param {() => unknown} work
 * @returns {Promise<{ seconds: number, processorMs: number }>}
 */
export async function timed(work) {
  const before = process.cpuUsage();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { seconds, processorMs: (user + system) / 1000 };
}

/** @param {number[]} values @returns {number} */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** @param {number[]} values @returns {{ median: number, min: number, max: number, runs: number }} */
export function spread(values) {
  const [middle, min, max] = [median(values), Math.min(...values), Math.max(...values)].map(round);
  return { median: middle, min, max, runs: values.length };
}

/** Four significant digits: more is noise. @param {number} value */
export function round(value) {
  return Number(value.toPrecision(4));
}

/** "median (least–most)", without the range for a single run. @param {{ median: number, min: number, max: number, runs: number }} of @param {string} [unit] */
export function range({ median: middle, min, max, runs }, unit = '') {
  return `${middle}${unit && ` ${unit}`}${runs > 1 ? ` (${min}–${max})` : ''}`;
}

/** A table in Markdown. @param {string[]} head @param {unknown[][]} lines */
export function markdown(head, lines) {
  return [head, head.map(() => '---'), ...lines].map(markdownRow).join('\n');
}

/** @param {unknown[]} cells */
export function markdownRow(cells) {
  return `| ${cells.join(' | ')} |`;
}

/** What a figure was measured on. */
export function machine() {
  return {
    cpu: cpus()[0]?.model.trim(),
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 1e9),
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    commit: commit(),
    date: new Date().toISOString().slice(0, 10),
  };
}

/** The same as a line above a table. @param {ReturnType<typeof machine>} of */
export function machineLine({ cpu, cores, node, date, commit: at }) {
  return `${cores} cores, ${cpu}, Node ${node}, ${date}, commit ${at}`;
}

function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined; // not a clone
  }
}

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

/** @param {number | undefined} pid */
function peakOf(pid) {
  try {
    const kB = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kB === undefined ? undefined : Math.round(Number(kB) / 1000);
  } catch {
    return undefined;
  }
}
