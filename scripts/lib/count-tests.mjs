import { relative } from 'node:path';

/**
 * What vitest's JSON report says, in the figures that CI reads.
 * @typedef {object} TestCounts
 * @property {number} passed
 * @property {number} failed tests that failed, plus files that failed before their first test
 * @property {number} skipped skipped and to-do tests
 * @property {{ ran: number, skipped: number }} reference tests under a suite titled "reference: …"
 * @property {{ ran: number, skipped: number }} spark tests under a suite titled "spark: …"
 * @property {{ ran: number, skipped: number }} browser tests under a suite titled "browser: …"
 * @property {{ ran: number, skipped: number }} gpu tests under a suite titled "gpu: …"
 */

/**
 * @typedef {object} JsonReport vitest's (and Jest's) JSON, the part that is read here
 * @property {{ name: string, status: string, assertionResults: JsonTest[] }[]} testResults
 */

/**
 * @typedef {object} JsonTest
 * @property {string} status
 * @property {string[]} ancestorTitles
 * @property {string} title
 * @property {{ whySkipped?: string }} [meta] as test/skip-if.ts leaves it
 */

/**
 * @param {JsonReport} report
 * @returns {TestCounts}
 */
export function countTests(report) {
  const none = () => ({ ran: 0, skipped: 0 });
  const kinds = { reference: none(), spark: none(), browser: none(), gpu: none() };
  const counts = { passed: 0, failed: 0, skipped: 0, ...kinds };
  for (const file of report.testResults) {
    let failedHere = 0;
    for (const { status, ancestorTitles } of file.assertionResults) {
      const ran = status === 'passed' || status === 'failed';
      if (status === 'passed') counts.passed++;
      else if (status === 'failed') failedHere++;
      else counts.skipped++;
      for (const kind of /** @type {const} */ (['reference', 'spark', 'browser', 'gpu'])) {
        if (ancestorTitles.some((title) => title.startsWith(`${kind}:`))) {
          counts[kind][ran ? 'ran' : 'skipped']++;
        }
      }
    }
    if (file.status === 'failed' && failedHere === 0) failedHere = 1;
    counts.failed += failedHere;
  }
  return counts;
}

/**
 * One line for each file and reason: what did not run here, and why.
 * @param {JsonReport} report
 * @param {string} root the folder that file names start from
 * @returns {{ lines: string[], unexplained: number }} unexplained: skipped tests without a reason
 */
export function listSkips(report, root) {
  /** @type {Map<string, string[]>} */
  const titles = new Map();
  let unexplained = 0;
  for (const { name, assertionResults } of report.testResults) {
    for (const { status, title, meta } of assertionResults) {
      if (status === 'passed' || status === 'failed') continue;
      const why = meta?.whySkipped ?? 'no reason given, see test/skip-if.ts';
      if (meta?.whySkipped === undefined) unexplained++;
      const file = `${relative(root, name)} (${why})`;
      titles.set(file, [...(titles.get(file) ?? []), title]);
    }
  }
  const lines = [...titles].map(([file, [first, ...others]]) => {
    const more = others.length > 0 ? ` and ${others.length} more` : '';
    return `skipped: ${file}: ${first}${more}`;
  });
  return { lines, unexplained };
}

/**
 * Why a full run does not count although vitest was content; undefined when it does.
 * @param {TestCounts} counts
 * @param {boolean} hasReference whether the folder with the reference values is there
 * @param {boolean} [needsSpark] whether the tests on Spark have to run
 * @param {boolean} [needsBrowser] whether the tests in a browser have to run
 * @returns {string | undefined}
 */
export function problemOf(counts, hasReference, needsSpark = false, needsBrowser = false) {
  if (counts.passed + counts.failed === 0) return 'no test ran';
  if (needsSpark && (counts.spark.ran === 0 || counts.spark.skipped > 0)) {
    return 'Java and Python are there, but the tests on Spark did not run';
  }
  if (needsBrowser && (counts.browser.ran === 0 || counts.browser.skipped > 0)) {
    return 'Chromium is there, but the tests in a browser did not run';
  }
  if (!hasReference) return undefined;
  const { ran, skipped } = counts.reference;
  if (ran === 0) return 'the reference folder is there, but no reference test ran';
  if (skipped > 0)
    return `the reference folder is there, but ${skipped} reference tests were skipped`;
  return undefined;
}
