import { expect, test } from 'vitest';
import { loadScript } from './load-script.ts';

const { countTests, listSkips, problemOf } = await loadScript('lib/count-tests.mjs');

const one = (status: string, suite: string) => ({ status, ancestorTitles: [suite] });

test('passed, failed, skipped and to-do tests are counted', () => {
  const assertionResults = ['passed', 'passed', 'failed', 'skipped', 'pending', 'todo'].map(
    (status) => one(status, ''),
  );
  const counts = countTests({ testResults: [{ status: 'failed', assertionResults }] });
  expect(counts).toEqual({
    passed: 2,
    failed: 1,
    skipped: 3,
    reference: { ran: 0, skipped: 0 },
    spark: { ran: 0, skipped: 0 },
    browser: { ran: 0, skipped: 0 },
    gpu: { ran: 0, skipped: 0 },
  });
});

test('a file that failed before its first test counts as one failure', () => {
  const counts = countTests({ testResults: [{ status: 'failed', assertionResults: [] }] });
  expect(counts.failed).toBe(1);
});

test('tests under a reference suite are counted once more', () => {
  const assertionResults = [
    one('passed', 'reference: Pillow'),
    one('failed', 'reference: Keras'),
    one('skipped', 'reference: Spark'),
    one('passed', 'no reference'),
  ];
  const counts = countTests({ testResults: [{ status: 'failed', assertionResults }] });
  expect(counts.reference).toEqual({ ran: 2, skipped: 1 });
});

test('each skip is one line with its reason, and one without a reason is counted', () => {
  const skip = (title: string, whySkipped?: string) => ({
    ...one('skipped', ''),
    title,
    meta: { whySkipped },
  });
  const assertionResults = [
    skip('a', 'no disk'),
    skip('b', 'no disk'),
    skip('c'),
    skip('d', 'no x'),
  ];
  const ran = { ...one('passed', ''), title: 'e', meta: {} };
  const file = { name: '/root/test/x.test.ts', status: 'passed' };
  const report = { testResults: [{ ...file, assertionResults: [...assertionResults, ran] }] };
  expect(listSkips(report, '/root')).toEqual({
    lines: [
      'skipped: test/x.test.ts (no disk): a and 1 more',
      'skipped: test/x.test.ts (no reason given, see test/skip-if.ts): c',
      'skipped: test/x.test.ts (no x): d',
    ],
    unexplained: 1,
  });
});

test('tests on Spark are counted once more, and are due where they can run', () => {
  const assertionResults = [one('passed', 'spark: PySpark 4'), one('skipped', 'spark: off')];
  const counts = countTests({ testResults: [{ status: 'passed', assertionResults }] });
  expect(counts.spark).toEqual({ ran: 1, skipped: 1 });
  const problem = 'Java and Python are there, but the tests on Spark did not run';
  expect(problemOf(counts, false, true)).toBe(problem);
  expect(problemOf({ ...counts, spark: { ran: 0, skipped: 0 } }, false, true)).toBe(problem);
  expect(problemOf({ ...counts, spark: { ran: 2, skipped: 0 } }, false, true)).toBeUndefined();
  expect(problemOf(counts, false, false)).toBeUndefined();
});

test('tests in a browser are counted once more, and are due where there is one', () => {
  const assertionResults = [one('passed', 'browser: the page'), one('skipped', 'browser: off')];
  const counts = countTests({ testResults: [{ status: 'passed', assertionResults }] });
  expect(counts.browser).toEqual({ ran: 1, skipped: 1 });
  const problem = 'Chromium is there, but the tests in a browser did not run';
  expect(problemOf(counts, false, false, true)).toBe(problem);
  const all = { ...counts, browser: { ran: 2, skipped: 0 } };
  expect(problemOf(all, false, false, true)).toBeUndefined();
  expect(problemOf(counts, false, false, false)).toBeUndefined();
});

test.each([
  ['no test ran', { passed: 0, failed: 0, reference: { ran: 0, skipped: 0 } }, false],
  [
    'the reference folder is there, but no reference test ran',
    { passed: 9, failed: 0, reference: { ran: 0, skipped: 2 } },
    true,
  ],
  [
    'the reference folder is there, but 1 reference tests were skipped',
    { passed: 9, failed: 0, reference: { ran: 2, skipped: 1 } },
    true,
  ],
  [undefined, { passed: 9, failed: 0, reference: { ran: 2, skipped: 0 } }, true],
  [undefined, { passed: 9, failed: 0, reference: { ran: 0, skipped: 2 } }, false],
])('problem of a run: %s', (problem, counts, hasReference) => {
  expect(problemOf(counts, hasReference)).toBe(problem);
});
