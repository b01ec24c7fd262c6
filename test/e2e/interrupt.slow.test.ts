import { existsSync } from 'node:fs';
import { link, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import {
  type CliResult,
  listFiles,
  runInProcess,
  startCli,
  tableHashes,
  tempFolder,
} from './run-cli.ts';

/** Links to each of the 19 drawn images: 4,940 images, more than one shard of 4,096. */
const COPIES = 260;
const SHARD_ROWS = 4096;

let dir: string;
let remove: () => Promise<void>;
let undisturbed: Record<string, string>;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  const drawn = { seed: 3, imagesPerClass: 3, minSize: 20, maxSize: 30, withBroken: true };
  await writeDataset(join(dir, 'drawn'), drawn);
  for (const name of listFiles(join(dir, 'drawn'))) {
    const [folder, file] = name.split('/') as [string, string];
    await mkdir(join(dir, 'dataset', folder), { recursive: true });
    for (let n = 0; n < COPIES; n++) {
      await link(join(dir, 'drawn', name), join(dir, 'dataset', folder, `${n}-${file}`));
    }
  }
  const { status } = await runInProcess(dir, ...command('undisturbed'));
  expect(status).toBe(1);
  undisturbed = tableHashes(join(dir, 'undisturbed'));
});
afterAll(() => remove());

function command(out: string): string[] {
  const formats = ['--format', 'parquet,json,csv'];
  return ['dataset', '--mode', 'pixels', '--out', out, ...formats, '--log', 'json'];
}

/** Sends the signal as soon as so many images are done. */
async function interrupted(
  out: string,
  signal: NodeJS.Signals,
  afterImages: number,
  ...more: string[]
): Promise<CliResult> {
  const { child, finished } = startCli(dir, ...command(out), ...more);
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    const lines = said.split('\n');
    said = lines.pop() ?? '';
    for (const { event, done } of lines.map((line) => JSON.parse(line))) {
      if (event === 'progress' && done >= afterImages && !child.killed) child.kill(signal);
    }
  });
  return finished;
}

/** How many images the run found done, as it says itself. */
function resumedImages({ stdout }: CliResult): number {
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  return events.find(({ event }) => event === 'resumed')?.images ?? 0;
}

test.each([
  { signal: 'SIGINT', afterImages: 4500, status: 130, kept: SHARD_ROWS },
  { signal: 'SIGTERM', afterImages: 1, status: 143, kept: 0 },
  { signal: 'SIGKILL', afterImages: 4500, status: null, kept: SHARD_ROWS },
] as const)(
  'after $signal the same command resumes and ends with the same bytes',
  async ({ signal, afterImages, status, kept }) => {
    const first = await interrupted(signal, signal, afterImages);
    expect(first.status).toBe(status);
    expect(existsSync(join(dir, signal, '_SUCCESS'))).toBe(false);
    expect(existsSync(join(dir, signal, 'parquet', 'part-00000.parquet'))).toBe(false);

    const second = await runInProcess(dir, ...command(signal));
    expect(second.status).toBe(1);
    expect(resumedImages(second)).toBe(kept);
    expect(tableHashes(join(dir, signal))).toEqual(undisturbed);
  },
);

test('a run that was to overwrite resumes without --overwrite, and says so', async () => {
  expect((await runInProcess(dir, ...command('again'), '--limit', '40')).status).toBe(1);
  const first = await interrupted('again', 'SIGTERM', 4500, '--overwrite');
  expect(first.status).toBe(143);
  expect(first.stdout + first.stderr).toContain('Give the same command without --overwrite');
  expect(existsSync(join(dir, 'again', '_SUCCESS'))).toBe(false);
  const second = await runInProcess(dir, ...command('again'));
  expect(resumedImages(second)).toBe(SHARD_ROWS);
  expect(tableHashes(join(dir, 'again'))).toEqual(undisturbed);
});
