import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { tempFolder } from '../e2e/run-cli.ts';
import { skipIf } from '../skip-if.ts';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const NOBODY = 65534;

/** The super-user may do everything; as such the command is run as nobody, where that is possible. */
const prefix =
  process.getuid?.() === 0
    ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', process.execPath]
    : [process.execPath];
const works = spawnSync(prefix[0]!, [...prefix.slice(1), CLI, '--version']).status === 0;

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  chmodSync(dir, 0o755);
  const many = { seed: 3, imagesPerClass: 120, minSize: 20, maxSize: 30 };
  await writeDataset(join(dir, 'in'), many);
  await mkdir(join(dir, 'mine'));
  if (process.getuid?.() === 0) chownSync(join(dir, 'mine'), NOBODY, NOBODY);
});
afterAll(() => remove());

function start(out: string): { child: ChildProcess; finished: Promise<[number | null, string]> } {
  const args = ['in', '--mode', 'pixels', '--out', out, '--workers', '1', '--log', 'json'];
  const child = spawn(prefix[0]!, [...prefix.slice(1), CLI, ...args], { cwd: dir });
  let said = '';
  child.stdout.on('data', (piece) => {
    said += piece;
  });
  const finished = new Promise<[number | null, string]>((resolve) => {
    child.on('close', (status) => resolve([status, said]));
  });
  return { child, finished };
}

test(
  'an output that may not be written is one clear error',
  skipIf(!works, 'the command cannot be run as another user here'),
  async () => {
    await mkdir(join(dir, 'theirs'), { mode: 0o555 });
    const [status, said] = await start('theirs/out').finished;
    expect(status).toBe(2);
    expect(said).toMatch(/Expected to write the output to .+ but found no permission \(EACCES\)\./);
    expect(said).not.toContain('"stack"');
  },
);

test(
  'an input that may not be read any more stops the run, which can be resumed',
  skipIf(!works, 'the command cannot be run as another user here'),
  async () => {
    const { child, finished } = start('mine/out');
    child.stdout?.on('data', (piece) => {
      if (String(piece).includes('"listed"')) chmodSync(join(dir, 'in'), 0);
    });
    const [status, said] = await finished;
    chmodSync(join(dir, 'in'), 0o755);
    expect(status).toBe(2);
    expect(said).toContain(
      'Expected the input in for the whole run but found that it may not be read any more.',
    );
    expect(said).not.toContain('"event":"rejected"');
    expect(existsSync(join(dir, 'mine/out/_SUCCESS'))).toBe(false);
    expect((await start('mine/out').finished)[0]).toBe(0);
    expect(await verifyRun(join(dir, 'mine/out'))).toEqual([]);
  },
);
