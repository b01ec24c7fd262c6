import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readNpz } from '../../src/reduce/npz.ts';
import { describeReference } from '../reference.ts';
import { readParquetRows } from './read-table.ts';
import { runInProcess } from './run-cli.ts';

const out = mkdtempSync(join(tmpdir(), 'img2features-spark-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

interface PixelsRow {
  readonly origin: string;
  readonly vectors: number[];
  readonly vectors_redux: number[];
}

/** Reads the Spark job's own output: rows by "<class>/<file>". */
function readSparkJob(dir: string) {
  const npz = readNpz(readFileSync(join(dir, 'reference/seed-spark/pixels.npz')));
  const values = (name: string) => Array.from(npz.get(name)!.data as ArrayLike<number>);
  const files = npz.get('files')!.data as readonly string[];
  const vectors = values('vectors_bgr');
  const redux = values('vectors_redux');
  const rows = new Map(
    files.map((file, i) => [
      file.split('/').slice(-2).join('/'),
      { vector: vectors.slice(i * 300, (i + 1) * 300), redux: redux.slice(i * 10, (i + 1) * 10) },
    ]),
  );
  return { rows, ratio: values('explained_variance') };
}

describeReference('the PySpark job on 1,000 images', (dir) => {
  const input = join(dir, 'data/fruits-360/Training');
  const spark = readSparkJob(dir);

  test('--seed-compat gives its vectors exactly and its reduced vectors within 1e-6', async () => {
    const run = await runInProcess(
      out,
      input,
      '--mode',
      'pixels',
      '--seed-compat',
      '--out',
      join(out, 'compat'),
    );
    expect(run.status).toBe(0);
    const table = readParquetRows(join(out, 'compat')) as unknown as PixelsRow[];
    expect(table).toHaveLength(1000);
    const signs: number[] = [];
    let worst = 0;
    for (const row of table) {
      const theirs = spark.rows.get(decodeURIComponent(row.origin).split('/').slice(-2).join('/'))!;
      expect(row.vectors).toEqual(theirs.vector);
      for (let c = 0; c < 10; c++) {
        signs[c] ??= Math.sign(row.vectors_redux[c]! * theirs.redux[c]!);
        worst = Math.max(worst, Math.abs(row.vectors_redux[c]! * signs[c]! - theirs.redux[c]!));
      }
    }
    expect(worst).toBeLessThanOrEqual(1e-6);
  });

  test('the default gives the same integers with red and blue in their places', async () => {
    const run = await runInProcess(out, input, '--mode', 'pixels', '--out', join(out, 'default'));
    expect(run.status).toBe(0);
    const table = readParquetRows(join(out, 'default')) as unknown as PixelsRow[];
    for (const row of table) {
      const bgr = spark.rows.get(row.origin.split('/').slice(-2).join('/'))!.vector;
      const rgb = bgr.map((_, i) => bgr[i - (i % 3) + 2 - (i % 3)]!);
      expect(row.vectors).toEqual(rgb);
    }
    expect(table).toHaveLength(1000);
  });
});
