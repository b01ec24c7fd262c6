import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));

/**
 * Our own command as a contestant. "load" is the start of the engine, "job" all the rest that the process reports.
 * @param {string[]} args input, mode and the like
 * @param {string} out
 * @returns {import('./contest.mjs').Contestant}
 */
export function img2features(args, out) {
  return {
    name: 'img2features',
    table: join(out, 'parquet'),
    start: () => ({
      command: process.execPath,
      args: [CLI, ...args, '--out', out, '--overwrite', '--quiet'],
    }),
    read: () => {
      const { counts, stagesMs, version } = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'));
      const load = (stagesMs.engineStart ?? 0) / 1000;
      return {
        images: counts.extracted,
        seconds: { load, job: stagesMs.total / 1000 - load },
        version: `img2features ${version}`,
      };
    },
  };
}
