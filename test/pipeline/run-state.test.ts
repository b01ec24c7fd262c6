/** What a run finds in its own folders and must not trust: whole runs in this process, on the build. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
// Threads start from the build.
import * as built from '../../dist/index.js';
import type * as api from '../../src/index.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { solidPng } from '../dry-run/solid-png.ts';
import { readParquetRows } from '../e2e/read-table.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const { extract, resolveOptions } = built as unknown as typeof api;

/** A folder with images of one colour each, and a run over them. */
async function folderOf(count: number) {
  const dir = await temporaryFolder();
  const input = join(dir, 'images');
  const out = join(dir, 'features');
  mkdirSync(input);
  const draw = (i: number) =>
    writeFileSync(join(input, `${i}.png`), solidPng(4, 4, [i, 99, 7 * i]));
  for (let i = 0; i < count; i++) draw(i);
  const run = (more: Record<string, unknown> = {}) =>
    extract(resolveOptions({ input, out, mode: 'pixels', k: 2, report: false, ...more }));
  return { dir, input, out, draw, run };
}

test('an update of a run without a row computes what came, and fits the reducer on it', async () => {
  const { input, out, draw, run } = await folderOf(0);
  writeFileSync(join(input, 'broken.png'), 'not a picture');
  expect(await run()).toMatchObject({ extracted: 0, rejected: 1 });
  for (let i = 0; i < 4; i++) draw(i);
  const { extracted, update } = await run({ update: true });
  expect([extracted, update?.reducer]).toEqual([4, 'refitted']);
  expect(await verifyRun(out)).toEqual([]);
  const redux = readParquetRows(out).map((row) => row.vectors_redux as number[]);
  expect(redux.some(([first]) => first !== 0)).toBe(true);
});
