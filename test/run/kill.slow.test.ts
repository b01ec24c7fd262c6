import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { skipIf } from '../skip-if.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const dist = join(import.meta.dirname, '../../dist');
const script = join(import.meta.dirname, 'kill-at-rename.mjs');

/** @returns the signal that ended the process, null when it came to its end */
function runUntil(out: string, rename: number, moment: 'before' | 'after'): string | null {
  const args = [script, dist, out, String(rename), moment];
  const { signal, status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (signal === null && status !== 0) throw new Error(stderr);
  return signal;
}

async function bytesOf(out: string): Promise<Map<string, string>> {
  const entries = await readdir(out, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== 'run.json');
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  const read = paths.map(
    async (path) => [path.slice(out.length), await readFile(path, 'latin1')] as const,
  );
  return new Map(await Promise.all(read));
}

test('killed at every rename, resumes and ends with the bytes of an undisturbed run', {
  timeout: 120_000,
  ...skipIf(!existsSync(dist), 'dist/ is not built (npm run build)'),
}, async () => {
  const calm = await temporaryFolder();
  expect(runUntil(calm, 0, 'before')).toBe(null);
  expect(await verifyRun(calm)).toEqual([]);
  const expected = await bytesOf(calm);
  let kills = 0;
  for (let rename = 1; ; rename++) {
    const out = await temporaryFolder();
    const signal = runUntil(out, rename, rename % 2 === 0 ? 'before' : 'after');
    if (signal === null) break;
    kills++;
    // A run that died never looks complete unless it is.
    const found = await readdir(out);
    if (found.includes('_SUCCESS')) expect(await verifyRun(out)).toEqual([]);
    expect(runUntil(out, 0, 'before')).toBe(null);
    expect(await verifyRun(out)).toEqual([]);
    expect(await bytesOf(out)).toEqual(expected);
  }
  // Manifest, identity, two shards with records, table, rejections, run.json, _SUCCESS, the end.
  expect(kills).toBe(11);
});
