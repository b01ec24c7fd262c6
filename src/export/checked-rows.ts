import type { OutputStore } from '../storage/output-store.ts';
import { readWhole } from '../storage/whole-file.ts';
import type { SinkFormat } from './open-sinks.ts';

/** What can be said of a row whatever the format it was read back from. */
export interface CheckedRow {
  /** Undefined where the table has no such column (`--columns`). */
  readonly origin: string | undefined;
  /** Undefined when the row is sound, else what is wrong: `vectors holds NaN`, `3 cells instead of 12`. */
  readonly fault: string | undefined;
}

/**
 * Reads one file of a table back, row by row. Its hash was compared before.
 * @throws what the format's parser throws
 */
export async function* checkedRows(
  store: OutputStore,
  format: SinkFormat,
  name: string,
): AsyncGenerator<CheckedRow> {
  yield* await READERS[format](store, name);
}

type Rows = AsyncIterable<CheckedRow> | Iterable<CheckedRow>;

/** The readers behind `verify`, one a format beside its sink in `open-sinks.ts`. */
const READERS: Record<SinkFormat, (store: OutputStore, name: string) => Promise<Rows>> = {
  parquet: async (store, name) =>
    (await import('./parquet/parquet-rows.ts')).parquetRows(await readWhole(store, name), name),
  json: async (store, name) => (await import('./json-rows.ts')).jsonRows(store, name),
  csv: async (store, name) => (await import('./csv-rows.ts')).csvRows(store, name),
  npy: async (store, name) => (await import('./npy-rows.ts')).npyRows(store, name),
  feather: async (store, name) =>
    (await import('./feather-rows.ts')).featherRows(await readWhole(store, name), name),
};
