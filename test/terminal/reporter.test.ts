import { expect, test } from 'vitest';
import type { RunEvent } from '../../src/events.ts';
import { createReporter, type ReporterOptions } from '../../src/terminal/reporter.ts';

function record(options: Partial<ReporterOptions> = {}) {
  const text = { stdout: '', stderr: '', time: 0 };
  const reporter = createReporter({
    log: 'text',
    quiet: false,
    isTerminal: false,
    columns: 80,
    stdout: (part) => {
      text.stdout += part;
    },
    stderr: (part) => {
      text.stderr += part;
    },
    now: () => text.time,
    ...options,
  });
  return { text, reporter };
}

const progress: RunEvent = {
  event: 'progress',
  done: 50,
  total: 200,
  decoded: 80,
  rejected: 2,
  imagesPerSecond: 12.34,
  secondsLeft: 12.2,
};

test('a terminal gets one line redrawn in place', () => {
  const { text, reporter } = record({ isTerminal: true });
  reporter.handle(progress);
  reporter.handle({ event: 'note', message: 'hello' });
  expect(text.stderr).toBe(
    '\r\x1b[2K[#####===-----------] 25% 50/200 images, 12.3 images/s, 12.2 s left, 2 rejected\r\x1b[2Khello\n',
  );
  expect(text.stdout).toBe('');
});

test('before the first batch the line tells what was decoded, and no rate', () => {
  const { text, reporter } = record({ isTerminal: true });
  const first = { done: 0, decoded: 48, rejected: 0, imagesPerSecond: 0, secondsLeft: null };
  reporter.handle({ event: 'progress', total: 200, ...first });
  expect(text.stderr).toContain(
    '[=======-----------------------] 0% 0/200 images, 48 decoded, 0 rejected',
  );
});

test('what is waited for is told', () => {
  const { text, reporter } = record();
  reporter.handle({ event: 'stage', stage: 'list', detail: 'dataset' });
  reporter.handle({ event: 'stage', stage: 'engine', detail: 'cpu (models/vgg16)' });
  reporter.handle({ event: 'stage', stage: 'extract' });
  reporter.handle({ event: 'stage', stage: 'report' });
  expect(text.stderr.split('\n')).toEqual([
    'Listing the images of dataset …',
    'Waiting for the network to start on cpu (models/vgg16) …',
    'Writing the report …',
    '',
  ]);
});

test('without a terminal plain lines come every ten seconds', () => {
  const { text, reporter } = record();
  reporter.handle(progress);
  expect(text.stderr).toBe('');
  text.time = 10_000;
  reporter.handle(progress);
  reporter.handle(progress);
  expect(text.stderr).toBe('25% 50/200 images, 12.3 images/s, 12.2 s left, 2 rejected\n');
});

test('json gives one line an event on stdout and nothing on stderr', () => {
  const { text, reporter } = record({ log: 'json' });
  reporter.handle(progress);
  reporter.handle({ event: 'note', message: 'a\nb' });
  expect(
    text.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).event),
  ).toEqual(['progress', 'note']);
  expect(text.stderr).toBe('');
});

test('names with control characters cannot draw on the terminal', () => {
  const { text, reporter } = record();
  reporter.handle({
    event: 'rejected',
    origin: 'a\x1b[31m\u202egpj.exe\n.jpg',
    reason: 'not_an_image',
    message: 'Expected an image.',
  });
  expect(text.stderr).toBe(
    'Rejected a\\u{1b}[31m\\u{202e}gpj.exe\\u{a}.jpg: not_an_image. Expected an image.\n',
  );
});

test('after ten bad images only one more line is shown', () => {
  const { text, reporter } = record();
  for (let i = 0; i < 30; i++) {
    reporter.handle({ event: 'rejected', origin: `${i}.jpg`, reason: 'corrupt', message: 'bad' });
  }
  expect(text.stderr.trim().split('\n')).toHaveLength(11);
  expect(text.stderr).toContain('rejected.jsonl');
});
