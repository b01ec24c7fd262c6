import { expect, test } from 'vitest';
import { type Check, formatCheck, formatVerdict, makeCheck, wrap } from '../../src/doctor/check.ts';
import { createPaint } from '../../src/terminal/colors.ts';

const plain = createPaint(false);

test('a check is aligned, its details and what to do below it', () => {
  const check = makeCheck('gpu', {
    summary: 'NVIDIA L4, driver 550.54.15',
    details: ['the driver runs CUDA up to 12.4'],
    findings: [
      {
        severity: 'warning',
        message: 'The GPU is idle.',
        fix: 'Run `img2features setup --gpu`.',
      },
      { severity: 'note', message: 'It is warm.', fix: 'Open a window.' },
    ],
  });
  expect(formatCheck(check, 80, plain)).toBe(
    [
      'warning  GPU         NVIDIA L4, driver 550.54.15',
      '                     the driver runs CUDA up to 12.4',
      '                     The GPU is idle.',
      '                     Fix: Run `img2features setup --gpu`.',
      '                     It is warm.',
      '                     Hint: Open a window.',
      '',
    ].join('\n'),
  );
});

test('lines break at spaces, long words stay whole, and names cannot colour the terminal', () => {
  expect(wrap('a bb ccc dddd', 6)).toEqual(['a bb', 'ccc', 'dddd']);
  expect(wrap('/a/very/long/path b', 4)).toEqual(['/a/very/long/path', 'b']);
  const hostile = makeCheck('model', { summary: 'in \x1b[31mred' });
  expect(formatCheck(hostile, 80, plain)).toBe('ok       Model       in \\u{1b}[31mred\n');
});

test('the last line says what it comes to', () => {
  const of = (...states: Check['status'][]) =>
    formatVerdict(
      states.map((status) => ({ ...makeCheck('node', { summary: '' }), status })),
      plain,
    );
  expect(of('ok', 'note')).toBe('All is well.\n');
  expect(of('warning', 'ok')).toBe('No problem, 1 warning.\n');
  expect(of('problem', 'warning', 'problem')).toBe('2 problems, 1 warning: see the fixes above.\n');
});
