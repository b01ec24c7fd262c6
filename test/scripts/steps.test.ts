import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { loadScript } from './load-script.ts';

const { runQuietly, runStep, StepError } = await loadScript('lib/steps.mjs');
const where = { cwd: '.', env: process.env };

class Sink extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

test('a step that is to be done says how long it took', async () => {
  const out = new Sink();
  await runStep({ what: 'Build', isDone: () => false, run: async () => {} }, out);
  expect(out.text).toMatch(/^Build … done in \d+\.\d s\n$/);
});

test('a step that is done is not done again', async () => {
  const out = new Sink();
  let runs = 0;
  await runStep({ what: 'Build', isDone: () => true, run: () => void runs++ }, out);
  expect([out.text, runs]).toEqual(['Build … already there\n', 0]);
});

test('a step can end with a remark of its own', async () => {
  const out = new Sink();
  await runStep({ what: 'Set up', isDone: () => false, run: () => 'no pip' }, out);
  expect(out.text).toBe('Set up … no pip\n');
});

test('a failed step says so and throws the error', async () => {
  const out = new Sink();
  const run = () => Promise.reject(new StepError('npm ci failed. It said:', 'ENOSPC'));
  const step = { what: 'Install', isDone: () => false, run };
  await expect(runStep(step, out)).rejects.toThrow('npm ci failed. It said:\nENOSPC');
  expect(out.text).toBe('Install … failed\n');
});

test('a quiet command keeps its status and its last twenty lines', async () => {
  const script = 'for (let i = 1; i <= 30; i++) console.error("line " + i); process.exitCode = 3;';
  const { status, tail } = await runQuietly(process.execPath, ['-e', script], where);
  expect(status).toBe(3);
  expect(tail.split('\n')).toHaveLength(20);
  expect(tail.endsWith('line 30')).toBe(true);
});

test('a quiet command that is not there has status 127', async () => {
  const { status, tail } = await runQuietly('no-such-command-here', [], where);
  expect(status).toBe(127);
  expect(tail).toContain('no-such-command-here');
});
