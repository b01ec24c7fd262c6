/** `npm test [-- <vitest arguments>]`: sets up, runs vitest, ends with the counts in one plain line. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bootstrap, ROOT } from './bootstrap.mjs';
import { countTests, problemOf } from './lib/count-tests.mjs';
import { findChromium } from './lib/find-chromium.mjs';
import { runCommand } from './lib/run-command.mjs';
import { whyNoSpark } from './lib/spark-environments.mjs';
import { StepError } from './lib/steps.mjs';

try {
  await bootstrap(process.stdout);
  process.exitCode = await runTests(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

/**
 * @param {string[]} args passed on to vitest
 * @returns {Promise<number>} vitest's exit status, or 1 when it was content with too little
 */
async function runTests(args) {
  const dir = mkdtempSync(join(tmpdir(), 'img2features-test-'));
  try {
    const json = join(dir, 'report.json');
    const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${json}`];
    const command = [vitest, 'run', ...reporters, ...args];
    // Vitest colours its output wherever it goes.
    const env = process.stdout.isTTY ? process.env : { ...process.env, NO_COLOR: '1' };
    const status = await runCommand(process.execPath, command, { cwd: ROOT, env });
    if (!existsSync(json)) throw new StepError(`vitest ended with ${status} and left no report.`);
    const counts = countTests(JSON.parse(readFileSync(json, 'utf8')));
    // Only a whole run can be held to have run the reference tests.
    const needsSpark = process.env.CI === 'true' && whyNoSpark() === undefined;
    const needsBrowser = findChromium(process.env) !== undefined;
    const problem =
      args.length === 0 ? problemOf(counts, hasReference(), needsSpark, needsBrowser) : undefined;
    for (const kind of /** @type {const} */ (['reference', 'spark', 'browser'])) {
      console.log(`${kind} tests: ${counts[kind].ran} ran, ${counts[kind].skipped} skipped`);
    }
    if (problem !== undefined) console.error(`Not good enough: ${problem}.`);
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    return status === 0 && problem !== undefined ? 1 : status;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Whether the folder with the reference values is there; naming it makes it due. */
function hasReference() {
  const named = process.env.REFERENCE_DIR;
  return named !== undefined || existsSync(resolve(ROOT, '../shared/reference'));
}
