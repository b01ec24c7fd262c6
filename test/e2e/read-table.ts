import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tableFromIPC, type Vector } from 'apache-arrow';
import { readParquet } from 'parquet-wasm';
import { listFiles } from './run-cli.ts';

export type Row = Record<string, string | number[]>;

export interface Rejection {
  readonly origin: string;
  readonly reason: string;
  readonly message: string;
}

/** All rows of the JSON lines, part after part. */
export function readJsonRows(out: string): Row[] {
  return parts(out, 'json').flatMap((name) => readLines<Row>(join(out, name)));
}

/** All rows of the Parquet parts, with the same shape as the JSON lines. */
export function readParquetRows(out: string): Row[] {
  return parts(out, 'parquet').flatMap((name) => {
    const ipc = readParquet(readFileSync(join(out, name))).intoIPCStream();
    return tableFromIPC(ipc)
      .toArray()
      .map((row) => {
        const cells = Object.entries(row.toJSON()).map(([column, value]) => [
          column,
          typeof value === 'string' ? value : Array.from(value as Vector),
        ]);
        return Object.fromEntries(cells);
      });
  });
}

/** rejected.jsonl */
export function readRejections(out: string): Rejection[] {
  return readLines(join(out, 'rejected.jsonl'));
}

export function readRunJson(out: string) {
  return JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'));
}

function parts(out: string, format: string): string[] {
  return listFiles(out).filter((name) => name.startsWith(`${format}/part-`));
}

function readLines<T>(path: string): T[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as T);
}
