import { existsSync } from 'node:fs';
import { cp, mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { isTempName } from '../../src/storage/durable-file.ts';
import { runInProcess, tableHashes, tempFolder } from '../e2e/run-cli.ts';
import { momentOf, runUntil, runUntilStep } from './kill-runs.ts';
import { isLong, seededRandom } from './long-form.ts';

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  const small = { minSize: 20, maxSize: 30, withBroken: true };
  await writeDataset(join(dir, 'in'), { seed: 3, imagesPerClass: 10, ...small });
  await writeDataset(join(dir, 'other'), { seed: 4, imagesPerClass: 4, ...small });
});
afterAll(() => remove());

const ARGS = ['in', '--mode', 'pixels', '--format', 'parquet,json,csv', '--k', '3', '--no-report'];

describe.each([
  {
    name: 'the PCA kept',
    args: [...ARGS, '--out', 'out', '--update'],
    everyRename: isLong ? 1 : 3,
  },
  {
    name: 'the PCA fitted again',
    args: [...ARGS, '--out', 'out', '--update', '--refit'],
    everyRename: isLong ? 2 : 5,
  },
])('an update with $name', ({ args, everyRename }) => {
  /** Files of the table before the update and after an undisturbed one. */
  let old: Record<string, string>;
  let calm: Record<string, string>;
  let calmMs: number;

  beforeAll(async () => {
    if (!existsSync(join(dir, 'base'))) {
      expect((await runInProcess(dir, ...ARGS, '--out', 'base')).status).toBe(1);
      await change();
    }
    old = tableHashes(join(dir, 'base'));
    await startOver();
    const start = performance.now();
    const { status, stderr } = await runInProcess(dir, ...args);
    calmMs = performance.now() - start;
    expect(status, stderr).toBe(1);
    calm = tableHashes(join(dir, 'out'));
    expect(calm).not.toEqual(old);
  });

  /** Resumes what a kill left; the result must be that of the undisturbed update. */
  async function expectRecovery(): Promise<void> {
    await expectWholeWhereComplete();
    const { status, stderr } = await runInProcess(dir, ...args);
    // Killed at its very end, nothing was left to do.
    expect(status, stderr).toBe(stderr.includes('Since the finished run') ? 1 : 0);
    expect(await verifyRun(join(dir, 'out'))).toEqual([]);
    expect(tableHashes(join(dir, 'out'))).toEqual(calm);
    const again = await runInProcess(dir, ...args);
    expect(again.stdout, again.stderr).toContain('Nothing changed');
    expect(existsSync(join(dir, 'out', '.img2features', 'update'))).toBe(false);
  }

  /** What looks complete is a whole table: the old one or the new one. */
  async function expectWholeWhereComplete(): Promise<boolean> {
    if (!existsSync(join(dir, 'out', '_SUCCESS'))) return false;
    expect(await verifyRun(join(dir, 'out'))).toEqual([]);
    // Files being written have hidden names, which readers skip.
    const shown = Object.entries(tableHashes(join(dir, 'out'))).filter(
      ([name]) => !isTempName(basename(name)),
    );
    expect([old, calm]).toContainEqual(Object.fromEntries(shown));
    return true;
  }

  test('killed again and again at random moments, it ends with the bytes of an undisturbed one', {
    timeout: 3_600_000,
  }, async () => {
    const random = seededRandom(everyRename);
    const kills = isLong ? 8 : 5;
    let killed = 0;
    while (killed < kills) {
      await startOver();
      for (let times = 1 + Math.floor(random() * 4); times > 0 && killed < kills; times--) {
        if (await runUntil(dir, random() * 0.8 * calmMs, args)) killed++;
      }
      await expectRecovery();
    }
    process.stderr.write(`update: ${killed} kills at random moments\n`);
  });

  test('killed at its renames, it ends with the bytes of an undisturbed one', {
    timeout: 3_600_000,
  }, async () => {
    let killed = 0;
    let whole = 0;
    for (let rename = 1; ; rename += everyRename) {
      await startOver();
      const at = { step: rename, moment: momentOf(rename) };
      const { status, stderr } = await runUntilStep(dir, at, args);
      if (status !== null) {
        expect(status, stderr).toBe(1);
        break;
      }
      killed++;
      if (await expectWholeWhereComplete()) whole++;
      await expectRecovery();
    }
    process.stderr.write(`update: ${killed} kills at renames, ${whole} left a whole table\n`);
    expect(killed).toBeGreaterThanOrEqual(isLong ? 8 : 3);
    // Only while the finished table takes the old one's place there is none.
    expect(whole).toBeGreaterThan(0);
  });
});

async function startOver(): Promise<void> {
  await rm(join(dir, 'out'), { recursive: true, force: true });
  await cp(join(dir, 'base'), join(dir, 'out'), { recursive: true });
}

/** Adds a class, changes an image and a broken one, removes one. */
async function change(): Promise<void> {
  await mkdir(join(dir, 'in', 'mixed'));
  await cp(join(dir, 'other', 'cross'), join(dir, 'in', 'mixed'), { recursive: true });
  await cp(join(dir, 'other', 'ring', 'ring-000.jpg'), join(dir, 'in', 'ring', 'ring-003.jpg'));
  await rm(join(dir, 'in', 'square', 'square-000.jpg'));
}
