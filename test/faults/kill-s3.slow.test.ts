import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DeleteObjectCommand, GetObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { S3Store } from '../../src/storage/s3-store.ts';
import { listFiles, runInProcess, tempFolder } from '../e2e/run-cli.ts';
import { NO_STORE, openTestStore, testOptions } from '../s3/store.ts';
import { skipIf } from '../skip-if.ts';
import { momentOf, runUntil, runUntilStep } from './kill-runs.ts';
import { isLong, seededRandom } from './long-form.ts';

const store = await openTestStore('images', 'tables');

/** What lies below a prefix, by name. */
type Objects = ReadonlyMap<string, Uint8Array>;

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  if (store === undefined) return;
  ({ dir, remove } = await tempFolder());
  const small = { minSize: 20, maxSize: 30, withBroken: true };
  await writeDataset(join(dir, 'many'), { seed: 3, imagesPerClass: 6, ...small });
  await writeDataset(join(dir, 'few'), { seed: 4, imagesPerClass: 1, ...small });
  for (const name of [...under('many'), ...under('few')]) await putImage(name);
  const init = ['model', 'init', 'vgg16', '--seed', '1', '--width', '0.0625'];
  const { status, stderr } = await runInProcess(dir, ...init, '--out', 'models/vgg16');
  expect(status, stderr).toBe(0);
});
afterAll(async () => {
  await remove?.();
  await store?.stop();
});

const PIXELS = ['--mode', 'pixels', '--format', 'parquet,json,csv', '--k', '3'];

interface Scenario {
  readonly name: string;
  readonly input: string;
  /** Makes the table that is there when the run starts. */
  readonly before?: readonly string[];
  /** Done to the input once that table is made. */
  readonly change?: () => Promise<void>;
  readonly args: readonly string[];
  /** Kills at random moments. */
  readonly kills: number;
  /** Kills at this step, and at every so many after it. */
  readonly steps: readonly [first: number, every: number];
  /** While `_SUCCESS` is away, files of both tables may stand side by side. */
  readonly isMixed?: boolean;
}

const SCENARIOS: Scenario[] = [
  {
    name: 'pixels',
    input: 'many',
    args: PIXELS,
    kills: isLong ? 15 : 3,
    steps: isLong ? [1, 1] : [4, 5],
  },
  {
    // Its reducer is large enough to go up in parts.
    name: 'vgg16',
    input: 'few',
    args: ['--mode', 'vgg16', '--layer', 'block1_pool', '--k', '2', '--batch', '4'],
    kills: isLong ? 8 : 2,
    steps: isLong ? [1, 1] : [1, 7],
  },
  {
    name: 'a table replaced by --overwrite',
    input: 'many',
    before: [...PIXELS, '--exif', 'apply', '--resize', 'nearest'],
    args: [...PIXELS, '--overwrite'],
    kills: isLong ? 3 : 0,
    steps: isLong ? [2, 2] : [4, 13],
  },
  {
    name: 'a table brought up to date by --update',
    input: 'changing',
    before: [...PIXELS, '--no-report'],
    change: changeInput,
    args: [...PIXELS, '--no-report', '--update'],
    kills: isLong ? 4 : 0,
    steps: isLong ? [1, 2] : [11, 7],
    isMixed: true,
  },
];

describe.each(SCENARIOS)('s3 -> s3: $name', skipIf(store === undefined, NO_STORE), (scenario) => {
  const { before, kills, isMixed = false } = scenario;
  const [firstStep, everyStep] = scenario.steps;
  const reach = ['--s3-endpoint', store?.endpoint ?? '', '--work-dir', 'state'];
  const run = [`s3://images/${scenario.input}`, '--out', 's3://tables/out', ...reach];
  const args = [...run, ...scenario.args];
  let old: Objects | undefined;
  let calm: Objects;
  let calmMs: number;
  /** One line for each rename and each change in the store. */
  let steps: string[];

  beforeAll(async () => {
    await rm(join(dir, 'state'), { recursive: true, force: true });
    await putObjects(new Map());
    if (scenario.input === 'changing') await Promise.all(under('many').map(copyToChanging));
    if (before !== undefined) {
      const { status, stderr } = await runInProcess(dir, ...run, ...before);
      expect(status, stderr).toBe(1); // the broken ones are rejected
      old = await objects();
      await cp(join(dir, 'state'), join(dir, 'old-state'), { recursive: true });
    }
    await scenario.change?.();
    const stepsTo = join(dir, 'steps');
    await rm(stepsTo, { force: true });
    const start = performance.now();
    const at = { step: 0, moment: 'before' as const, stepsTo };
    const { status, stderr } = await runUntilStep(dir, at, args);
    calmMs = performance.now() - start;
    expect(status, stderr).toBe(1);
    calm = await objects();
    steps = readFileSync(stepsTo, 'utf8').trim().split('\n');
    expect(hashes(calm)).not.toEqual(old && hashes(old));
  });
  afterAll(() => rm(join(dir, 'old-state'), { recursive: true, force: true }));

  /** Everything as it was before the run. */
  async function startOver(): Promise<void> {
    await rm(join(dir, 'state'), { recursive: true, force: true });
    if (old !== undefined)
      await cp(join(dir, 'old-state'), join(dir, 'state'), { recursive: true });
    await putObjects(old ?? new Map());
  }

  /**
   * With `_SUCCESS` there is one whole table, the old one or the new one. Without it there may be files, each
   * of them whole: of one table, or, in an update, of both.
   */
  async function expectNothingTorn(): Promise<Objects> {
    const found = await objects();
    const shown = hashes(found);
    const tables = [hashes(calm), ...(old === undefined ? [] : [hashes(old)])];
    if (found.has('_SUCCESS')) {
      expect(tables).toContainEqual(shown);
      await expectSound();
    } else if (isMixed) {
      for (const [name, hash] of Object.entries(shown)) {
        expect([name, tables.some((table) => table[name] === hash)]).toEqual([name, true]);
      }
    } else {
      const isOfOne = (table: Record<string, string>) =>
        Object.entries(shown).every(([name, hash]) => table[name] === hash);
      expect([Object.keys(shown), tables.some(isOfOne)]).toEqual([Object.keys(shown), true]);
    }
    const known = new Set([...calm.keys(), ...(old?.keys() ?? [])]);
    expect([...found.keys()].filter((name) => !known.has(name))).toEqual([]);
    const json = found.get('run.json');
    if (json !== undefined) expect(JSON.parse(Buffer.from(json).toString()).format).toBe(1);
    return found;
  }

  /** Resumes after a kill; the table must be that of the undisturbed run. */
  async function expectRecovery(): Promise<void> {
    const { status, stdout, stderr } = await runInProcess(dir, ...args);
    // Killed at its very end, an update leaves nothing to do.
    expect(status, stderr).toBe(stdout.includes('Nothing changed') ? 0 : 1);
    await expectSound();
    expect(hashes(await objects())).toEqual(hashes(calm));
    // A run with nothing left to do writes nothing: a dead lock waits, unseen, for the next that does.
    const isOver = /Nothing changed|Already complete/.test(stdout);
    const mayStay = (key: string) => isOver && key.startsWith('out/.img2features/lock/');
    expect((await store!.uploads('tables')).filter((key) => !mayStay(key))).toEqual([]);
  }

  test('killed again and again at random moments, it ends with the bytes of an undisturbed run', {
    timeout: 3_600_000,
    ...skipIf(kills === 0, 'only in the long form: npm run test:faults'),
  }, async () => {
    const random = seededRandom(kills);
    let killed = 0;
    while (killed < kills) {
      await startOver();
      for (let times = 1 + Math.floor(random() * 3); times > 0 && killed < kills; times--) {
        if (!(await runUntil(dir, random() * 0.9 * calmMs, args))) continue;
        killed++;
        await expectNothingTorn();
      }
      await expectRecovery();
    }
    process.stderr.write(`s3 ${scenario.name}: ${killed} kills at random moments\n`);
  });

  test('killed at its renames and at its requests that write, it ends with those bytes too', {
    timeout: 3_600_000,
  }, async () => {
    const publishing = 1 + steps.findIndex(isPublishing);
    expect(publishing).toBeGreaterThan(1);
    let killed = 0;
    let shownEarly = 0;
    for (let step = firstStep; step <= steps.length; step += everyStep) {
      await startOver();
      const { status, stderr } = await runUntilStep(dir, { step, moment: momentOf(step) }, args);
      expect([step, status], stderr).toEqual([step, null]);
      killed++;
      const found = await expectNothingTorn();
      // Until everything is ready, nothing of the new table shows.
      if (step < publishing && before === undefined) shownEarly += found.size;
      await expectRecovery();
    }
    process.stderr.write(`s3 ${scenario.name}: ${killed} kills at its ${steps.length} steps\n`);
    expect(shownEarly).toBe(0);
    expect(steps.join('\n')).toContain('_SUCCESS');
    expect(existsSync(join(dir, 'out'))).toBe(false);
  });
});

/** Makes an object of the table visible; a lock, or an upload that is begun, is none. */
function isPublishing(step: string): boolean {
  return /^(PUT \S+x-id=PutObject|POST \S+[?&]uploadId=)/.test(step);
}

/** Files that tell no times. */
function hashes(found: Objects): Record<string, string> {
  const told = [...found].filter(
    ([name]) => !['run.json', 'report.html', '_SUCCESS'].includes(name),
  );
  return Object.fromEntries(
    told.map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')]),
  );
}

async function objects(): Promise<Objects> {
  const keys = await store!.keys('tables', 'out/');
  const read = keys.map(async (Key) => {
    const { Body } = await store!.client.send(new GetObjectCommand({ Bucket: 'tables', Key }));
    return [Key.slice('out/'.length), await Body!.transformToByteArray()] as const;
  });
  return new Map(await Promise.all(read));
}

/** These objects and no others. */
async function putObjects(wanted: Objects): Promise<void> {
  for (const Key of await store!.keys('tables', 'out/')) {
    if (wanted.has(Key.slice('out/'.length))) continue;
    await store!.client.send(new DeleteObjectCommand({ Bucket: 'tables', Key }));
  }
  for (const [name, bytes] of wanted) await store!.put('tables', `out/${name}`, bytes);
}

async function expectSound(): Promise<void> {
  const signal = new AbortController().signal;
  const table = new S3Store('s3://tables/out', { s3: testOptions(store!.endpoint), signal });
  expect(await verifyRun(table)).toEqual([]);
  await table.close();
}

function under(folder: string): string[] {
  return listFiles(join(dir, folder)).map((name) => `${folder}/${name}`);
}

function putImage(name: string, key = name): Promise<void> {
  return store!.put('images', key, readFileSync(join(dir, name)));
}

function copyToChanging(name: string): Promise<void> {
  return putImage(name, name.replace(/^many/, 'changing'));
}

/** Adds an image, changes one, removes one. */
async function changeInput(): Promise<void> {
  await putImage('few/ring/ring-000.jpg', 'changing/ring/added.jpg');
  await putImage('few/cross/cross-000.jpg', 'changing/square/square-000.jpg');
  const Key = 'changing/circle/circle-000.jpg';
  await store!.client.send(new DeleteObjectCommand({ Bucket: 'images', Key }));
}
