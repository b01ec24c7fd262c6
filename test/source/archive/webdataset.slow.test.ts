import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeDataset } from '../../../src/demo/draw-images.ts';
import { readJsonRows } from '../../e2e/read-table.ts';
import { listFiles, runInProcess } from '../../e2e/run-cli.ts';
import { loadScript } from '../../scripts/load-script.ts';
import { skipNow } from '../../skip-if.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const { pythonEnvironment } = await loadScript('lib/python-environment.mjs');
const here = import.meta.dirname;

test('shards that the webdataset package writes give its images and classes', async (context) => {
  let python: string;
  try {
    python = pythonEnvironment('webdataset', join(here, 'requirements-webdataset.txt'));
  } catch (error) {
    return skipNow(context, `the webdataset package cannot be installed: ${error}`);
  }
  const dir = await temporaryFolder();
  await writeDataset(join(dir, 'in'), { seed: 9, imagesPerClass: 5, minSize: 12, maxSize: 20 });
  const script = join(here, 'write_webdataset.py');
  execFileSync(python, [script, join(dir, 'in'), join(dir, 'train-%06d.tar'), '7']);
  const shards = readdirSync(dir).filter((name) => name.endsWith('.tar'));
  const last = String(shards.length - 1).padStart(6, '0');
  const run = (input: string, out: string) =>
    runInProcess(
      dir,
      input,
      '--mode',
      'pixels',
      '--k',
      '0',
      '--format',
      'json',
      '--no-report',
      '--out',
      out,
    );
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
}, 300_000);
