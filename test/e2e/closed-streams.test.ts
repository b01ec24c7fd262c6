import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { solidPng } from '../dry-run/solid-png.ts';
import { skipIf } from '../skip-if.ts';
import { CLI, tempFolder } from './run-cli.ts';

const isLacking = !existsSync('/dev/full');
const full = isLacking ? -1 : openSync('/dev/full', 'w');
const WHY = 'needs /dev/full';

let dir: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  mkdirSync(join(dir, 'in/a'), { recursive: true });
  for (const n of [1, 2, 3]) writeFileSync(join(dir, `in/a/${n}.png`), solidPng(8, 8, [n, 2, 3]));
});
afterAll(() => remove());

/** `gone`: a pipe whose reader has left; `kept`: what it gets is returned. */
type End = 'gone' | 'full' | 'kept';

async function run(
  args: readonly string[],
  { stdout, stderr, env = {} }: { stdout: End; stderr: End; env?: Record<string, string> },
) {
  const stdio = [stdout, stderr].map((end) => (end === 'full' ? full : 'pipe'));
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: dir,
    env: { ...process.env, ...env },
    stdio: ['ignore', ...stdio],
  });
  const text = { stdout: '', stderr: '' };
  for (const [name, end] of [['stdout', stdout] as const, ['stderr', stderr] as const]) {
    if (end === 'gone') child[name]!.destroy();
    child[name]?.on('data', (piece: Buffer) => {
      text[name] += piece.toString();
    });
  }
  const status = await new Promise((resolve) => child.on('close', resolve));
  return { status, ...text };
}

const extract = (out: string, ...more: string[]) =>
  ['in', '--mode', 'pixels', '--k', '1', '--no-report', '--out', out, ...more] as const;

test.each([
  ['gone', 'gone', 'text', 0],
  ['gone', 'full', 'json', 0],
  ['full', 'kept', 'json', 2],
] as const)(
  'a run comes to its end with stdout %s, stderr %s, --log %s: status %i',
  skipIf(isLacking, WHY),
  async (stdout, stderr, log, expected) => {
    const ended = await run(extract(`${stdout}-${stderr}`, '--log', log), { stdout, stderr });
    expect(ended.status, ended.stderr).toBe(expected);
    expect(existsSync(join(dir, `${stdout}-${stderr}`, '_SUCCESS'))).toBe(true);
    if (expected === 0) return;
    expect(ended.stderr).toMatch(/Expected to write the answer to stdout but found ENOSPC/);
    expect(ended.stderr).not.toContain('    at ');
  },
);

test(
  'an answer that has no room is status 2, one that nobody reads is 0',
  skipIf(isLacking, WHY),
  async () => {
    for (const args of [
      ['completion', 'bash'],
      ['worker', '--mode', 'pixels', '--describe'],
    ]) {
      const refused = await run(args, { stdout: 'full', stderr: 'kept' });
      expect(refused.status, args[0]).toBe(2);
      expect(refused.stderr).toContain('Expected to write the answer to stdout');
      expect((await run(args, { stdout: 'gone', stderr: 'full' })).status, args[0]).toBe(0);
    }
  },
);

test('an exception that nobody expects is told once, on stderr, with status 2', async () => {
  const throwLater = `data:text/javascript,process.on('newListener',(name)=>{if(name==='uncaughtException')setImmediate(()=>{throw new Error('boom')})})`;
  const env = { NODE_OPTIONS: `--import "${throwLater}"` };
  const ended = await run(extract('boom'), { stdout: 'kept', stderr: 'kept', env });
  expect(ended).toEqual({
    status: 2,
    stdout: '',
    stderr: expect.stringMatching(
      /^Unexpected error; please report it with this text:\nError: boom/,
    ),
  });
});
