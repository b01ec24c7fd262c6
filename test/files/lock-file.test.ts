import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Holder, waitForLock } from '../../src/files/lock-file.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const lockPath = async () => join(await temporaryFolder(), 'cache', 'setup.lock');

test('a lock names its owner and is gone after its release', async () => {
  const path = await lockPath();
  const lock = await waitForLock(path);
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ pid: process.pid });
  await lock.release();
  expect(await readdir(join(path, '..'))).toEqual([]);
});

test('the second waits for the first and is told who that is, once', async () => {
  const path = await lockPath();
  const first = await waitForLock(path, { beatMs: 20 });
  const owners: Holder[] = [];
  let got = false;
  const second = waitForLock(path, {
    beatMs: 20,
    staleMs: 500,
    onWait: (owner) => owners.push(owner),
  }).then((lock) => {
    got = true;
    return lock;
  });
  await delay(900); // longer than staleMs: the owner's touches keep it
  expect(got).toBe(false);
  await first.release();
  await (await second).release();
  expect(owners.map((owner) => owner.pid)).toEqual([process.pid]);
});

test('a lock whose process was killed is taken over at once', async () => {
  const path = await lockPath();
  const child = spawn('sleep', ['30']);
  const probe = await waitForLock(path);
  const owner = JSON.parse(await readFile(path, 'utf8')) as Holder;
  await probe.release();
  await writeFile(path, JSON.stringify({ ...owner, pid: child.pid }));
  child.kill('SIGKILL');
  await once(child, 'exit');
  const started = performance.now();
  const lock = await waitForLock(path, { staleMs: 60_000 });
  expect(performance.now() - started).toBeLessThan(2000);
  await lock.release();
});

test('a lock whose process id another process has now is taken over at once', async () => {
  const path = await lockPath();
  const probe = await waitForLock(path);
  const owner = JSON.parse(await readFile(path, 'utf8'));
  await probe.release();
  await writeFile(path, JSON.stringify({ ...owner, started: '1' }));
  await (await waitForLock(path, { signal: AbortSignal.timeout(2000) })).release();
});

test('a lock of another machine is taken over when nobody touches it', async () => {
  const path = await lockPath();
  await (await waitForLock(path)).release();
  await writeFile(path, JSON.stringify({ pid: process.pid, host: 'elsewhere', token: 'x' }));
  // The file system's clock counts in ticks of some milliseconds.
  const touched = new Date(Date.now() + 20);
  await utimes(path, touched, touched);
  const started = performance.now();
  const lock = await waitForLock(path, { beatMs: 20, staleMs: 300 });
  expect(performance.now() - started).toBeGreaterThanOrEqual(300);
  await lock.release();
});

test('a damaged lock file does not block for ever', async () => {
  const path = await lockPath();
  await (await waitForLock(path)).release();
  await writeFile(path, '{"pid":');
  await (await waitForLock(path, { beatMs: 20, staleMs: 100 })).release();
  expect(await readdir(join(path, '..'))).toEqual([]);
});

test('of many that wait for the lock of an ended process one at a time gets it', async () => {
  const path = await lockPath();
  await (await waitForLock(path)).release();
  await writeFile(path, JSON.stringify({ pid: 1, host: 'elsewhere', token: 'x' }));
  let inside = 0;
  let most = 0;
  const work = async () => {
    const lock = await waitForLock(path, { beatMs: 20, staleMs: 2000 });
    most = Math.max(most, ++inside);
    await delay(20);
    inside--;
    await lock.release();
  };
  await Promise.all(Array.from({ length: 8 }, work));
  expect(most).toBe(1);
});

test('waiting ends with an abort', async () => {
  const path = await lockPath();
  const first = await waitForLock(path);
  const signal = AbortSignal.timeout(100);
  await expect(waitForLock(path, { signal })).rejects.toThrow();
  await first.release();
});
