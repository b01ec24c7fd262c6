import { existsSync } from 'node:fs';
import { link, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { locateRuntime } from '../../src/runtime/locate-runtime.ts';
import { listFiles, runInProcess, tableHashes, tempFolder } from '../e2e/run-cli.ts';
import { fullGpu } from '../engine/full-gpu.ts';
import { writeTinyModel } from '../engine/tiny-model.ts';
import { NO_TENSORFLOW, skipIf } from '../skip-if.ts';
import { type KilledAt, momentOf, runUntil, runUntilStep } from './kill-runs.ts';
import { isLong, seededRandom } from './long-form.ts';

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  const small = { minSize: 20, maxSize: 30, withBroken: true };
  await writeDataset(join(dir, 'many'), { seed: 3, imagesPerClass: isLong ? 50 : 25, ...small });
  await writeDataset(join(dir, 'few'), { seed: 4, imagesPerClass: 3, ...small });
  await copyMany(SHARD + 100, 'large');
  await copyMany(2 * NETWORK_SHARD + 100, 'medium');
  await writeTinyModel(undefined, undefined, undefined, join(dir, 'models'));
  gpuPreload = fullGpu(dir, 2048, undefined, true);
  const init = ['model', 'init', 'vgg16', '--seed', '1', '--width', '0.0625'];
  const { status, stderr } = await runInProcess(dir, ...init, '--out', 'models/vgg16');
  expect(status, stderr).toBe(0);
});
afterAll(() => remove());

/** Images of a shard, in pixels mode. */
const SHARD = 4096;
const NETWORK_SHARD = 512;

/** The command where TensorFlow claims two GPUs: the CPU computes what each of them would. */
const STAND_IN = join(import.meta.dirname, 'stand-in-cli.mjs');
let gpuPreload: string;
const ONE_ENGINE = ['--gpus', '0', '--engines-per-gpu', '1'];
const { cpu } = await locateRuntime();

const NETWORK = ['few', '--mode', 'vgg16', '--layer', 'fc2', '--k', '2', '--batch', '4'];

/** Three shards of a network that computes as fast as it is fed. */
const SEVERAL = ['medium', '--mode', 'cnn', '--model', 'models/tiny', '--batch', '64'];

interface Mode {
  readonly mode: string;
  readonly args: readonly string[];
  /** For the runs that are killed, not for the undisturbed one. */
  readonly more: readonly string[];
  /** Kills at random moments; those at renames come on top: at the first of these, and at every so many after it. */
  readonly kills: number;
  readonly renames: readonly number[];
  /** In which of its batches an engine is killed. */
  readonly engineKills?: readonly number[];
  /** On stand-ins of two GPUs. */
  readonly hasGpus?: true;
}

const MODES: Mode[] = [
  {
    mode: 'pixels',
    args: ['many', '--mode', 'pixels', '--format', 'parquet,json,csv', '--k', '3'],
    more: [],
    kills: isLong ? 30 : 10,
    renames: isLong ? [1, 1] : [1, 3],
  },
  {
    mode: 'vgg16',
    args: NETWORK,
    more: [],
    kills: isLong ? 12 : 5,
    renames: isLong ? [1, 1] : [1, 4],
  },
  // As on several GPUs, or with several engines on one: processes that share the batches.
  ...[2, 3].map((engines) => ({
    mode: `vgg16 by ${engines} engines`,
    args: NETWORK,
    more: ['--engines-per-gpu', String(engines)],
    kills: isLong ? 12 : 2,
    renames: isLong ? [1, 1] : [2, 9],
  })),
  ...[
    { mode: 'three shards by one engine', more: [], engineKills: [12] },
    {
      mode: 'three shards by two engines',
      more: ['--engines-per-gpu', '2'],
      engineKills: [6],
    },
    {
      mode: 'three shards by two devices with two engines each',
      more: ['--gpus', '0,1', '--engines-per-gpu', '2'],
      engineKills: [6],
      hasGpus: true as const,
    },
  ].map((form) => ({
    ...form,
    args: [...SEVERAL, '--k', '2', '--no-report', '--format', 'parquet,npy'],
    kills: isLong ? 8 : 0,
    renames: isLong ? [1, 1] : [3, 4],
  })),
  {
    mode: 'pixels in two shards',
    args: ['large', '--mode', 'pixels', '--k', '3', '--no-report'],
    more: [],
    kills: isLong ? 8 : 0,
    // The fifth lies between the shards: the first is done.
    renames: isLong ? [3, 1] : [5, 100],
  },
];

describe.each(MODES)(
  '$mode',
  ({ mode, args: undisturbed, more, kills, renames, engineKills = [], hasGpus }) => {
    const args = [...undisturbed, ...more];
    const program = () => (hasGpus ? { program: STAND_IN, preloads: [gpuPreload] } : {});
    const needs = skipIf(hasGpus === true && cpu === undefined, NO_TENSORFLOW);
    const runWhole = (all: string[]) =>
      hasGpus
        ? runUntilStep(dir, { step: 0, moment: 'before', ...program() }, all)
        : runInProcess(dir, ...all);
    /** As a process of its own, up to the kill or to its end. */
    const runOnce = (at: KilledAt) =>
      runUntilStep(dir, { ...at, ...program() }, [...args, '--out', 'out']);
    const [firstRename = 1, everyRename = 1] = renames;
    let calm: Record<string, string>;
    let calmMs: number;

    beforeAll(async () => {
      const start = performance.now();
      const one = [...undisturbed, ...(hasGpus ? ONE_ENGINE : [])];
      const { status, stderr } = await runWhole([...one, '--out', 'calm']);
      calmMs = performance.now() - start;
      expect(status, stderr).toBe(1); // the broken ones are rejected
      calm = tableHashes(join(dir, 'calm'));
      expect(Object.keys(calm)).toContain('parquet/part-00000.parquet');
    });
    afterAll(() => rm(join(dir, 'calm'), { recursive: true }));

    /** Resumes what a kill left; the result must be that of the undisturbed run. */
    async function expectRecovery(): Promise<void> {
      // What looks complete after a kill is complete.
      if (existsSync(join(dir, 'out', '_SUCCESS'))) await expectWhole();
      const { status, stderr } = await runWhole([...args, '--out', 'out']);
      expect(status, stderr).toBe(1);
      await expectWhole();
      await rm(join(dir, 'out'), { recursive: true });
    }

    async function expectWhole(): Promise<void> {
      expect(await verifyRun(join(dir, 'out'))).toEqual([]);
      expect(tableHashes(join(dir, 'out'))).toEqual(calm);
    }

    const again = 'killed again and again at random moments, it ends with the same bytes';
    test(again, {
      timeout: 3_600_000,
      ...needs,
      ...skipIf(kills === 0, 'only in the long form: npm run test:faults'),
    }, async () => {
      const random = seededRandom(kills);
      let killed = 0;
      let runs = 0;
      // Up to four kills for one run, so that what a kill left is killed again.
      while (killed < kills) {
        for (let times = 1 + Math.floor(random() * 4); times > 0 && killed < kills; times--) {
          const ms = random() * 0.7 * calmMs;
          if (await runUntil(dir, ms, [...args, '--out', 'out'], program())) killed++;
        }
        runs++;
        await expectRecovery();
      }
      process.stderr.write(`${mode}: ${killed} kills at random moments in ${runs} runs\n`);
    });

    test('killed at its renames, it ends with the bytes of an undisturbed run', {
      timeout: 3_600_000,
      ...needs,
    }, async () => {
      let killed = 0;
      for (let rename: number = firstRename; ; rename += everyRename) {
        const { status, stderr } = await runOnce({ step: rename, moment: momentOf(rename) });
        if (status !== null) {
          expect(status, stderr).toBe(1);
          break;
        }
        killed++;
        await expectRecovery();
      }
      process.stderr.write(`${mode}: ${killed} kills at renames\n`);
      expect(killed).toBeGreaterThanOrEqual(isLong ? 8 : 1);
      await rm(join(dir, 'out'), { recursive: true });
    });

    const engines =
      'an engine that is killed ends the run by name, and the next one ends with the same bytes';
    if (engineKills.length === 0) return;
    test(engines, { timeout: 3_600_000, ...needs }, async () => {
      for (const step of engineKills) {
        const { status, stderr } = await runOnce({ step, moment: 'engine' });
        expect(status).toBe(2);
        expect(stderr).toMatch(
          /Expected the engine process to run but found that it ended with signal SIGKILL/,
        );
        if (hasGpus) expect(stderr).toMatch(/GPU [01] \(Stand-in X\)(, engine 2)?: Expected/);
        await expectRecovery();
      }
    });
  },
);

/** A folder with so many names of the images in `many`, and of the broken one. */
async function copyMany(count: number, name: string): Promise<void> {
  const jpegs = listFiles(join(dir, 'many')).filter((name) => name.endsWith('.jpg'));
  await mkdir(join(dir, name));
  for (let i = 0; i < count; i++) {
    await link(join(dir, 'many', jpegs[i % jpegs.length]!), join(dir, name, `${i}.jpg`));
  }
}
