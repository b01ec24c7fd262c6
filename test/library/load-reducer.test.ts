import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { RunError } from '../../src/errors.ts';
import { loadReducer } from '../../src/library/load-reducer.ts';
import { writeReducerFile } from '../../src/reduce/reducer-file.ts';
import { writeRunJson } from '../pipeline/finished-run.ts';
import { fitRows, randomRows } from '../reduce/feature-rows.ts';

const values = randomRows(20, 5, 1);

/** A folder with the reducer.npz of these outputs. */
async function runWith(...outputs: string[]): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'reducer-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const options = { k: 5, standardize: true, center: true };
  const reducer = await fitRows(values, 5, options);
  const reducers = new Map(outputs.map((name) => [name, reducer]));
  writeFileSync(join(dir, 'reducer.npz'), writeReducerFile(reducers));
  return dir;
}

test('a reducer comes from a run or its file', async () => {
  const dir = await runWith('pixels');
  const reducer = await loadReducer(dir);
  expect(reducer.dims).toBe(5);
  expect({ ...(await loadReducer(join(dir, 'reducer.npz'), 'pixels')) }).toEqual({ ...reducer });
});

test.each([true, false])(
  'with all components the inverse gives the rows back (standardised: %s)',
  async (standardize) => {
    const reducer = await fitRows(values, 5, { k: 5, standardize, center: true });
    const back = reducer.inverse(reducer.transform(values, 20), 20);
    for (const [i, value] of values.entries()) expect(back[i]).toBeCloseTo(value, 10);
  },
);

test('the reducer of a run is the one that it wrote', async () => {
  const dir = await runWith('pixels');
  const bytes = readFileSync(join(dir, 'reducer.npz'));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await writeRunJson(dir, { files: [{ name: 'reducer.npz', bytes: bytes.length, sha256 }] });
  await expect(loadReducer(dir)).rejects.toThrow('but found an incomplete one in');
  writeFileSync(join(dir, '_SUCCESS'), '');
  expect((await loadReducer(dir)).dims).toBe(5);
  const other = await runWith('fc1');
  cpSync(join(other, 'reducer.npz'), join(dir, 'reducer.npz'));
  await expect(loadReducer(dir)).rejects.toThrow(RunError);
});

test('of several outputs one must be named', async () => {
  const dir = await runWith('fc1', 'fc2');
  await expect(loadReducer(dir)).rejects.toThrow(
    'Expected one of fc1, fc2 as the output but received none.',
  );
  await expect(loadReducer(dir, 'fc3')).rejects.toThrow('but received fc3.');
  expect((await loadReducer(dir, 'fc2')).k).toBe(5);
});

test('a folder without a reducer is one clear error', async () => {
  await expect(loadReducer('nowhere')).rejects.toThrow(
    'Expected a finished run or a reducer.npz at nowhere but found none (ENOENT).',
  );
});
