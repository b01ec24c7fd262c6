import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeDataset } from '../../src/demo/draw-images.ts';
import { readJsonRows } from '../e2e/read-table.ts';
import { runInProcess } from '../e2e/run-cli.ts';
import { loadScript } from '../scripts/load-script.ts';
import { skipNow } from '../skip-if.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const { pythonEnvironment } = await loadScript('lib/python-environment.mjs');
const here = import.meta.dirname;

test("Parquet files that Hugging Face's datasets writes give its images and classes", async (context) => {
  let python: string;
  try {
    python = pythonEnvironment('datasets', join(here, 'requirements-datasets.txt'));
  } catch (error) {
    return skipNow(context, `the datasets package cannot be installed: ${error}`);
  }
  const dir = await temporaryFolder();
  await writeDataset(join(dir, 'in'), { seed: 9, imagesPerClass: 5, minSize: 12, maxSize: 20 });
  const env = { ...process.env, HF_HOME: join(dir, 'hf'), HF_HUB_OFFLINE: '1' };
  execFileSync(python, [join(here, 'write_dataset.py'), join(dir, 'in'), dir], { env });
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
  for (const [input, out] of [
    ['in', 'folder'],
    ['train-*.parquet', 'rows'],
  ]) {
    const { status, stderr } = await run(input, out);
    expect(status, stderr).toBe(0);
  }
  const of = (out: string) =>
    readJsonRows(join(dir, out)).map(({ target, vectors }) => [target, vectors]);
  expect(of('rows')).toEqual(of('folder'));
  // Complete, by the same list.
  expect((await run('train-*.parquet', 'rows')).stdout).toContain('complete');
}, 600_000);
