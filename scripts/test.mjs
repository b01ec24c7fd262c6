/**
 * `npm test`: sets up, runs the quick tests, ends with the skipped tests, each with its reason, and the counts.
 * `npm run test:all` (--all) adds the files named *.slow.test.ts; `npm test <files or folders>` runs those, slow or not.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { findChromium } from '../test/report/find-chromium.mjs';
import { whyNoSpark } from '../test/spark/spark-environments.mjs';
import { bootstrap, ROOT } from './bootstrap.mjs';
import { countTests, listSkips, problemOf } from './lib/count-tests.mjs';
import { runCommand } from './lib/run-command.mjs';
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
 * @param {string[]} args --all, or what vitest takes
 * @returns {Promise<number>} vitest's exit status, or 1 when it was content with too little
 */
async function runTests([...args]) {
  const isAll = args[0] === '--all';
  if (isAll) args.shift();
  const isQuick = !isAll && args.every((arg) => arg.startsWith('-'));
  const report = await runVitest(isQuick ? ['--project', 'quick*', ...args] : args);
  const { status, json } = report;
  const counts = countTests(json);
  const skips = listSkips(json, ROOT);
  for (const line of skips.lines) console.log(line);
  if (isQuick) console.log('not run: the files named *.slow.test.ts (npm run test:all)');
  for (const kind of /** @type {const} */ (['reference', 'gpu', 'spark', 'browser'])) {
    if (isQuick && (kind === 'spark' || kind === 'browser')) continue;
    console.log(`${kind} tests: ${counts[kind].ran} ran, ${counts[kind].skipped} skipped`);
  }
  // Only a whole part can be held to have run the reference tests, and only all tests those of the slow part.
  const needsSpark = isAll && process.env.CI === 'true' && whyNoSpark() === undefined;
  const needsBrowser = isAll && findChromium(process.env) !== undefined;
  const problems = [];
  if (args.length === 0) problems.push(problemOf(counts, hasReference(), needsSpark, needsBrowser));
  if (args.length === 0 && skips.unexplained > 0) {
    problems.push(`${skips.unexplained} tests were skipped without a reason`);
  }
  const problem = problems.find((one) => one !== undefined);
  if (problem !== undefined) console.error(`Not good enough: ${problem}.`);
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return status === 0 && problem !== undefined ? 1 : status;
}

/**
 * @param {string[]} args
 * @returns {Promise<{ status: number, json: import('./lib/count-tests.mjs').JsonReport }>}
 */
async function runVitest(args) {
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
    return { status, json: JSON.parse(readFileSync(json, 'utf8')) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Whether the folder with the reference values is there; naming it makes it due. */
function hasReference() {
  const named = process.env.REFERENCE_DIR;
  return named !== undefined || existsSync(resolve(ROOT, '../shared/reference'));
}
