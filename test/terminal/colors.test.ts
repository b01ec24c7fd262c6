import { expect, test } from 'vitest';
import { formatError } from '../../src/commands/run-command-line.ts';
import { OptionError } from '../../src/errors.ts';
import { createPaint, wantsColors } from '../../src/terminal/colors.ts';
import { createReporter } from '../../src/terminal/reporter.ts';

test('a terminal gets colours, a pipe and a dumb terminal none', () => {
  expect(wantsColors([], {}, true)).toBe(true);
  expect(wantsColors([], {}, false)).toBe(false);
  expect(wantsColors([], { TERM: 'dumb' }, true)).toBe(false);
});

test('NO_COLOR turns them off, unless it is empty', () => {
  expect(wantsColors([], { NO_COLOR: '1' }, true)).toBe(false);
  expect(wantsColors([], { NO_COLOR: '' }, true)).toBe(true);
  expect(wantsColors([], { FORCE_COLOR: '1' }, false)).toBe(true);
  expect(wantsColors([], { FORCE_COLOR: '0' }, true)).toBe(false);
});

test('the command line goes before the environment, its last word before its first', () => {
  expect(wantsColors(['--color'], { NO_COLOR: '1' }, false)).toBe(true);
  expect(wantsColors(['--no-color'], { FORCE_COLOR: '1' }, true)).toBe(false);
  expect(wantsColors(['--color', '--no-color'], {}, true)).toBe(false);
  expect(wantsColors(['--color=false'], {}, true)).toBe(false);
  expect(wantsColors(['--', '--no-color'], {}, true)).toBe(true);
  expect(wantsColors([], { IMG2FEATURES_COLOR: 'false', FORCE_COLOR: '1' }, true)).toBe(false);
});

test('no error obeys or floods the terminal, whatever its words hold', () => {
  const unknown = new Error('in/\u009b2J\u202egpj');
  expect(formatError(unknown)).toContain('Error: in/\\u{9b}2J\\u{202e}gpj\n');
  const long = formatError(new OptionError(`Expected a but found ${'x'.repeat(1e6)}.`));
  expect(long.length).toBeLessThan(5100);
});

test('errors and warnings are coloured only where colours are on', () => {
  const error = new OptionError('Expected a.', { fix: 'Do b.' });
  expect(formatError(error)).toBe('Expected a.\nFix: Do b.\n');
  expect(formatError(error, createPaint(true))).toBe(
    '\x1b[31mExpected a.\x1b[39m\n\x1b[1mFix:\x1b[22m Do b.\n',
  );
  for (const [stderr, expected] of [
    [true, '\x1b[33mWarning: \x1b[39mhot\\u{1b}[31m\n'],
    [false, 'Warning: hot\\u{1b}[31m\n'],
  ] as const) {
    let text = '';
    const reporter = createReporter({
      log: 'text',
      quiet: false,
      isTerminal: false,
      columns: 80,
      stdout: () => {},
      stderr: (part) => {
        text += part;
      },
      now: () => 0,
      colors: { stdout: false, stderr },
    });
    reporter.handle({ event: 'warning', message: 'hot\x1b[31m' });
    expect(text).toBe(expected);
  }
});
