import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runInProcess, tempFolder } from '../e2e/run-cli.ts';
import { runWorker } from './worker-process.ts';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  const slim = ['--seed', '1', '--width', '0.125', '--out', 'models/vgg16'];
  await runInProcess(dir, 'model', 'init', 'vgg16', ...slim);
});
afterAll(() => remove());

test.each([
  [['--mode', 'pixels']],
  [['--mode', 'vgg16', '--device', 'wasm']],
  [['--mode', 'vgg16', '--layer', 'block5_pool:avg,fc2', '--device', 'wasm']],
])('what %j describes is what its worker is ready with', async (args) => {
  const { status, stdout } = describeBy(args);
  expect(status).toBe(0);
  const { events } = await runWorker(args, new Uint8Array(0), { cwd: dir });
  expect(events[0]).toMatchObject({ event: 'ready', ...JSON.parse(stdout) });
  expect(stdout.match(/\n/g)).toHaveLength(1);
});

test('no engine is started and no weight is read for it', () => {
  // A device that is not there stops a worker; what it would answer is the same.
  const { status, stdout } = describeBy(['--mode', 'vgg16', '--layer', 'fc1', '--device', 'cuda']);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ lengths: [512], columns: expect.any(Array) });
});

test('what no worker could answer is an error', () => {
  for (const [args, words] of [
    [['--model', join(dir, 'nowhere')], /nowhere/],
    [['--layer', 'fc3'], /fc3/],
  ] as const) {
    const { status, stdout, stderr } = describeBy(['--mode', 'vgg16', ...args]);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(JSON.parse(stderr)).toMatchObject({
      event: 'error',
      message: expect.stringMatching(words),
    });
  }
});

function describeBy(args: readonly string[]) {
  const words = [CLI, 'worker', ...args, '--describe'];
  return spawnSync(process.execPath, words, { cwd: dir, encoding: 'utf8' });
}
