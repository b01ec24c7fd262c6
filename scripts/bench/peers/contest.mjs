import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { round, spread } from '../lib/statistics.mjs';
import { timedProcess } from '../lib/timed-process.mjs';

/** @typedef {{ images: number, seconds: { load: number, job: number }, version: string }} Said */
/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {() => { command: string, args: string[], env?: NodeJS.ProcessEnv }} start
 * @property {(stdout: string) => Said} [read] where the process's last line on stdout is not that
 * @property {string} [table] its output, to be compared with ours
 * @property {number} [rounds] less than the others, for one that takes minutes
 */

/**
 * Runs all contestants in turn, round after round, so that the machine's moods meet all of them.
 * @param {Contestant[]} contestants ours first
 * @param {{ repeat: number, column: string, python: string, tolerance: (name: string) => number }} options
 */
export async function contest(contestants, { repeat, column, python, tolerance }) {
  /** @type {Record<string, (Said & { whole: number })[]>} */
  const seen = Object.fromEntries(contestants.map(({ name }) => [name, []]));
  for (let turn = 0; turn < repeat; turn++) {
    for (const { name, start, read = lastLine, rounds = repeat } of contestants) {
      if (turn >= rounds) continue;
      const { command, args, env } = start();
      const run = await timedProcess(command, args, env);
      const said = read(run.stdout);
      seen[name].push({ ...said, whole: run.seconds });
      const rate = round(said.images / said.seconds.job);
      console.error(
        `${name}, round ${turn + 1}: ${round(run.seconds)} s in all, ${rate} images/s in the job`,
      );
    }
  }
  const [ours] = contestants;
  return contestants.map(({ name, table }) => {
    const runs = seen[name];
    return {
      name,
      version: runs[0].version,
      images: runs[0].images,
      wholeSeconds: spread(runs.map(({ whole }) => whole)),
      loadSeconds: spread(runs.map(({ seconds }) => seconds.load)),
      jobImagesPerSecond: spread(runs.map(({ images, seconds }) => images / seconds.job)),
      ...(table !== undefined &&
        name !== ours.name && { agreement: agree(ours.table, table, name) }),
    };
  });

  function agree(mine, theirs, name) {
    const script = fileURLToPath(new URL('./compare.py', import.meta.url));
    const found = JSON.parse(execFileSync(python, [script, mine, theirs, column]).toString());
    if (found.minCosine < tolerance(name)) {
      throw new Error(
        `Expected the rows of ${name} to equal ours (cosine >= ${tolerance(name)}) but found ${found.minCosine}: ` +
          'the two did not do the same work.',
      );
    }
    return found;
  }
}

function lastLine(stdout) {
  return JSON.parse(stdout.trim().split('\n').at(-1));
}
