/** A finished table read back: what every format's reader gives. */
import { RunError } from '../errors.ts';
import { type OutputStore, readWhole } from '../storage/output-store.ts';
import { type FeatureColumn, labelColumns, numericColumns, VIEW } from './column-names.ts';

/** Where a reader gets a table's files from, by their names ("json/part-00000.json"). */
export interface TableFiles {
  whole(name: string): Promise<Uint8Array>;
  stream(name: string): AsyncIterable<Uint8Array>;
}

/** The files as they are in a folder or a store, unchecked. */
export function uncheckedFiles(store: OutputStore): TableFiles {
  return { whole: (name) => readWhole(store, name), stream: (name) => store.read(name) };
}

/** Neighbouring rows of a table. */
export interface TableBatch {
  readonly n: number;
  /** Undefined where the table has no such column (`--columns`). */
  readonly origins: readonly string[] | undefined;
  readonly targets: readonly string[] | undefined;
  /** By the column's name: those of the split and of kept columns. */
  readonly texts: ReadonlyMap<string, readonly string[]>;
  /** The view of each row; undefined where the table has no such column. */
  readonly views: Int32Array | undefined;
  /** By the column's name: [n, length] row-major, float32 of vectors, float64 of reduced ones, whatever the table's types. */
  readonly numbers: ReadonlyMap<string, Float32Array | Float64Array>;
  /** Rows that are not as the table's columns ask, and what is wrong; their numbers are NaN. */
  readonly faults: ReadonlyMap<number, string>;
}

/**
 * Reads a file of a table, some rows at a time. Of formats with several files for the same rows only the first one named in
 * run.json gives rows: those of all of them.
 * @param columns those that the table has, or the part of them that is needed
 * @throws RunError, or what the format's parser throws, for bytes that are no such file
 */
export type ReadTable = (
  files: TableFiles,
  name: string,
  columns: readonly FeatureColumn[],
) => AsyncIterable<TableBatch>;

export function hasColumn(columns: readonly FeatureColumn[], kind: FeatureColumn['kind']): boolean {
  return columns.some((column) => column.kind === kind);
}

/** [n, length] of a column, all NaN: what a reader finds is written over it. */
export function emptyNumbers({ kind, length }: FeatureColumn, n: number) {
  const values = kind === 'vector' ? new Float32Array(n * length) : new Float64Array(n * length);
  return values.fill(Number.NaN);
}

/** What a table holds in the type that its kind is computed with. */
export function inKind({ kind }: FeatureColumn, values: Float32Array | Float64Array) {
  return kind === 'reduced' && values instanceof Float32Array ? new Float64Array(values) : values;
}

/** @throws RunError where a row is not what the table's columns ask for */
export function expectNoFaults({ faults, origins }: TableBatch, name: string): void {
  const [first] = faults;
  if (first === undefined) return;
  const [row, fault] = first;
  throw new RunError(
    `Expected undamaged rows in ${name} but found that ${fault} in the row of ${origins?.[row] ?? row}.`,
    { fix: 'Give --overwrite to compute the table anew.' },
  );
}

/** A row of a format that is read row by row. */
export interface TableRow {
  readonly origin?: unknown;
  readonly target?: unknown;
  /** By the column's name; anything but text, a whole number for the view, or as many numbers as the column has, is a fault. */
  readonly cells: Readonly<Record<string, unknown>>;
  readonly fault?: string | undefined;
}

const BATCH_ROWS = 256;

/** Puts rows together. */
export async function* inBatches(
  rows: AsyncIterable<TableRow>,
  columns: readonly FeatureColumn[],
): AsyncGenerator<TableBatch> {
  let waiting: TableRow[] = [];
  for await (const row of rows) {
    waiting.push(row);
    if (waiting.length < BATCH_ROWS) continue;
    yield batchOf(waiting, columns);
    waiting = [];
  }
  if (waiting.length > 0) yield batchOf(waiting, columns);
}

function batchOf(rows: readonly TableRow[], columns: readonly FeatureColumn[]): TableBatch {
  const n = rows.length;
  const faults = new Map<number, string>();
  const textOf = (name: string, read: (row: TableRow) => unknown) =>
    rows.map((row, i) => {
      const text = read(row);
      if (typeof text === 'string') return text;
      faults.set(i, `${name} holds no text`);
      return '';
    });
  const wanted = (kind: 'origin' | 'target') =>
    hasColumn(columns, kind) ? textOf(kind, ({ [kind]: text }) => text) : undefined;
  const [origins, targets] = [wanted('origin'), wanted('target')];
  const texts = new Map(
    labelColumns(columns).map(({ name }) => [name, textOf(name, ({ cells }) => cells[name])]),
  );
  const views = hasColumn(columns, 'view')
    ? Int32Array.from(rows, ({ cells }, i) => {
        const view = cells[VIEW];
        if (Number.isInteger(view)) return view as number;
        faults.set(i, `${VIEW} holds no whole number`);
        return -1;
      })
    : undefined;
  const numbers = new Map<string, Float32Array | Float64Array>();
  for (const column of numericColumns(columns)) {
    const values = emptyNumbers(column, n);
    rows.forEach(({ cells }, i) => {
      const fault = copyCell(cells[column.name], values, i, column);
      if (fault !== undefined) faults.set(i, fault);
    });
    numbers.set(column.name, values);
  }
  rows.forEach(({ fault }, i) => {
    if (fault !== undefined) faults.set(i, fault);
  });
  return { n, origins, targets, texts, views, numbers, faults };
}

/** @returns what is wrong with the cell */
function copyCell(
  cell: unknown,
  values: Float32Array | Float64Array,
  row: number,
  { name, type, length }: FeatureColumn,
): string | undefined {
  const list = cell as ArrayLike<unknown> | undefined | null;
  if (list?.length !== length) {
    return `${name} holds ${list?.length ?? 'no'} values instead of ${length}`;
  }
  let isSound = true;
  for (let j = 0; j < length; j++) {
    const value = list[j];
    // An assignment would take null for 0, and text for the number in it.
    if (typeof value !== 'number' || !Number.isFinite(value)) isSound = false;
    // The text of a float32 is the shortest that stands for it.
    else values[row * length + j] = type === 'float32' ? Math.fround(value) : value;
  }
  return isSound ? undefined : notFinite(name);
}

/** The message for a number that no table of ours holds. */
export function notFinite(column: string): string {
  return `${column} holds something that is not a finite number`;
}
