import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { readJsonRows } from '../e2e/read-table.ts';
import { listFiles, runInProcess } from '../e2e/run-cli.ts';
import { loadScript } from '../scripts/load-script.ts';
import { skipNow } from '../skip-if.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const { pythonEnvironment } = await loadScript('lib/python-environment.mjs');
const here = import.meta.dirname;
const OPTIONS = '--mode pixels --k 0 --format json --no-report'.split(' ');

/** A folder with drawn images in `in`, and what the package's script makes of them; skips the test without the package. */
async function written(context: TestContext, name: string, script: string, ...args: string[]) {
  let python: string;
  try {
    python = pythonEnvironment(name, join(here, `requirements-${name}.txt`));
  } catch (error) {
    return skipNow(context, `the ${name} package cannot be installed: ${error}`);
  }
  const dir = await temporaryFolder();
  await writeDataset(join(dir, 'in'), { seed: 9, imagesPerClass: 5, minSize: 12, maxSize: 20 });
  const env = { ...process.env, HF_HOME: join(dir, 'hf'), HF_HUB_OFFLINE: '1' };
  execFileSync(python, [join(here, script), join(dir, 'in'), ...args], { cwd: dir, env });
  const run = (input: string, out: string, ...more: string[]) =>
    runInProcess(dir, input, ...OPTIONS, ...more, '--out', out);
  return { dir, run };
}

test('shards that the webdataset package writes give its images and classes', async (context) => {
  const args = ['write_webdataset.py', 'train-%06d.tar', '7'] as const;
  const { dir, run } = await written(context, 'webdataset', ...args);
  const shards = readdirSync(dir).filter((name) => name.endsWith('.tar'));
  const last = String(shards.length - 1).padStart(6, '0');
  const results = [await run('in', 'folder'), await run(`train-{000000..${last}}.tar`, 'shards')];
  expect(
    results.map(({ status, stderr }) => [status, stderr.includes('from their .json')]),
  ).toEqual([
    [0, false],
    [0, true],
  ]);
  const classes = [...new Set(listFiles(join(dir, 'in')).map((name) => name.split('/')[0]))].sort();
  const folder = readJsonRows(join(dir, 'folder'));
  const rows = readJsonRows(join(dir, 'shards'));
  expect(shards.length).toBeGreaterThan(2);
  // Samples are numbered in the order of the folder's files, and shards follow one another.
  expect(rows.map(({ target, vectors }) => [classes[Number(target)], vectors])).toEqual(
    folder.map(({ target, vectors }) => [target, vectors]),
  );
}, 600_000);

test("Parquet files that Hugging Face's datasets writes give its images and classes", async (context) => {
  const { dir, run } = await written(context, 'datasets', 'write_dataset.py', '.');
  for (const [input, out, ...options] of [
    ['in', 'folder'],
    ['train-*.parquet', 'rows'],
    ['{train,test}-*.parquet', 'both', '--split', 'folders', '--keep-columns', 'image.path,label'],
  ]) {
    const { status, stderr } = await run(input, out, ...options);
    expect(status, stderr).toBe(0);
  }
  const of = (out: string) =>
    readJsonRows(join(dir, out)).map(({ target, vectors }) => [target, vectors]);
  expect(of('rows')).toEqual(of('folder'));
  const both = readJsonRows(join(dir, 'both'));
  const [test, train] = [both.slice(0, 3), both.slice(3)];
  expect(train.map(({ split, target, vectors }) => [split, target, vectors])).toEqual(
    of('folder').map((row) => ['train', ...row]),
  );
  // The rows of the test come without labels, which datasets writes as -1.
  expect(test.map((row) => [row.split, row.target, row.label, row.vectors])).toEqual(
    of('folder')
      .map(([, vectors]) => ['test', '', '', vectors])
      .slice(0, 3),
  );
  expect(train[0]['image.path']).toBe(listFiles(join(dir, 'in'))[0].split('/').pop());
  // Complete, by the same list.
  expect((await run('train-*.parquet', 'rows')).stdout).toContain('complete');
}, 600_000);
