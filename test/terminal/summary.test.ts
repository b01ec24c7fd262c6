import { expect, test } from 'vitest';
import type { RunSummary, RunTiming } from '../../src/events.ts';
import { formatSummary } from '../../src/terminal/summary.ts';

function firstLine(extracted: number, computed: number): string {
  const timing = { totalMs: 2000, pipelineImagesPerSecond: 321, engineBusyMs: 0 };
  const summary = {
    ...{ out: 'out', discovered: extracted, extracted, rejected: 0, ignored: 0, computed },
    ...{ rejectedByReason: {}, files: [], explainedVariance: {}, wasComplete: false },
    timing: timing as RunTiming,
  };
  return formatSummary(summary satisfies RunSummary).split('\n')[0]!;
}

test('a rate is told of what this process computed, and of that only where it is some work', () => {
  expect(firstLine(1000, 1000)).toBe(
    '1,000 rows, 0 rejected, of 1,000 images in 2.0 s (321 images/s).',
  );
  expect(firstLine(1000, 100)).toBe(
    '1,000 rows, 0 rejected, of 1,000 images; 100 of the rows computed now (321 images/s), all in 2.0 s.',
  );
  expect(firstLine(1000, 2)).toBe(
    '1,000 rows, 0 rejected, of 1,000 images; 2 of the rows computed now, all in 2.0 s.',
  );
  expect(firstLine(0, 0)).toBe('0 rows, 0 rejected, of 0 images in 2.0 s.');
});
