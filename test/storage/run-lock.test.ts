import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { RunError } from '../../src/errors.ts';
import { acquireRunLock } from '../../src/storage/run-lock.ts';
import { skipIf } from '../skip-if.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const built = join(import.meta.dirname, '../../dist/storage/run-lock.js');

/** A lock as this process would hold it, changed. */
async function plant(path: string, change: Record<string, unknown>): Promise<void> {
  const lock = await acquireRunLock(path, 'out');
  const holder = JSON.parse(await readFile(path, 'utf8'));
  await lock.release();
  await writeFile(path, JSON.stringify({ ...holder, nonce: 'planted', ...change }));
}

function deadPid(): number {
  return Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }));
}

test('holds one at a time and leaves nothing behind', async () => {
  const dir = await temporaryFolder();
  const path = join(dir, 'lock');
  const lock = await acquireRunLock(path, 'out');
  const error = await acquireRunLock(path, 'out').catch((thrown) => thrown);
  expect(error).toBeInstanceOf(RunError);
  expect(error.message).toBe(
    `Expected no other run writing to out but found process ${process.pid} here.`,
  );
  expect(error.fix).toContain(`kill ${process.pid}`);
  await lock.release();
  await (await acquireRunLock(path, 'out')).release();
  expect(await readdir(dir)).toEqual([]);
});

test.each<[string, () => Record<string, unknown>]>([
  ['a dead process', () => ({ pid: deadPid() })],
  ['a process id used again', () => ({ started: '1' })],
  ['an earlier boot', () => ({ boot: 'earlier', started: '1' })],
])('takes over the lock of %s', async (_, change) => {
  const dir = await temporaryFolder();
  const path = join(dir, 'lock');
  await plant(path, change());
  const lock = await acquireRunLock(path, 'out');
  await expect(acquireRunLock(path, 'out')).rejects.toThrow(RunError);
  await lock.release();
  expect(await readdir(dir)).toEqual([]);
});

test('lets only one of many take over a stale lock', async () => {
  const dir = await temporaryFolder();
  const path = join(dir, 'lock');
  await plant(path, { pid: deadPid() });
  const results = await Promise.allSettled(
    Array.from({ length: 12 }, () => acquireRunLock(path, 'out')),
  );
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const result of results) if (result.status === 'fulfilled') await result.value.release();
  expect(await readdir(dir)).toEqual([]);
});

test(
  'lets only one of many processes take over a stale lock',
  skipIf(!existsSync(built), 'dist/ is not built (npm run build)'),
  async () => {
    const dir = await temporaryFolder();
    const path = join(dir, 'lock');
    await plant(path, { pid: deadPid() });
    const script = `
    const { acquireRunLock } = await import(${JSON.stringify(built)});
    const lock = await acquireRunLock(${JSON.stringify(path)}, 'out').catch((error) => error);
    process.stdout.write(lock.release ? 'held' : lock.tag);
    // Held until we say so: every other process has tried by then.
    if (lock.release) for await (const _ of process.stdin);
    if (lock.release) await lock.release();`;
    const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    const runs = [run(), run(), run(), run()];
    let ended = 0;
    const release = () => {
      for (const { child } of runs) child.stdin!.end();
    };
    for (const one of runs) void one.then(() => ++ended === 3 && release());
    const tooLong = setTimeout(release, 20_000); // two hold it: the test fails, and leaves nothing behind
    const results = await Promise.all(runs);
    clearTimeout(tooLong);
    expect(results.map(({ stdout }) => stdout).sort()).toEqual(['held', 'run', 'run', 'run']);
    expect(await readdir(dir)).toEqual([]);
  },
);

test('takes over where the one that was taking over died as well', async () => {
  const dir = await temporaryFolder();
  const path = join(dir, 'lock');
  await plant(`${path}.takeover`, { pid: deadPid() });
  await plant(path, { pid: deadPid() });
  await (await acquireRunLock(path, 'out')).release();
  expect(await readdir(dir)).toEqual([]);
});

test('believes another machine for ten minutes after its last sign', async () => {
  const path = join(await temporaryFolder(), 'lock');
  await plant(path, { host: 'elsewhere pid:[1]', pid: 4711 });
  const error = await acquireRunLock(path, 'out').catch((thrown) => thrown);
  expect(error.message).toBe(
    'Expected no other run writing to out but found process 4711 on elsewhere.',
  );
  expect(error.fix).toContain(`remove ${path}`);
  const longAgo = new Date(Date.now() - 11 * 60_000);
  await utimes(path, longAgo, longAgo);
  await (await acquireRunLock(path, 'out')).release();
});

test('does not release a lock that another has taken over', async () => {
  const path = join(await temporaryFolder(), 'lock');
  const lock = await acquireRunLock(path, 'out');
  const foreign = JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), nonce: 'foreign' });
  await writeFile(path, foreign);
  await lock.release();
  expect(await readFile(path, 'utf8')).toBe(foreign);
});

test('says which file to remove when it is no lock', async () => {
  const path = join(await temporaryFolder(), 'lock');
  await writeFile(path, 'torn');
  const error = await acquireRunLock(path, 'out').catch((thrown) => thrown);
  expect(error).toBeInstanceOf(RunError);
  expect(error.message).toContain(`Expected a lock written by img2features in ${path}`);
  expect(error.fix).toContain('remove that file');
  // A power cut can leave an empty one.
  const longAgo = new Date(Date.now() - 11 * 60_000);
  await utimes(path, longAgo, longAgo);
  await (await acquireRunLock(path, 'out')).release();
});
