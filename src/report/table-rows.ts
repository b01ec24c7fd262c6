import { RunError } from '../errors.ts';
import { type FeatureOutput, featureColumns, selectColumns } from '../export/column-names.ts';
import { csvRecords } from '../export/csv-rows.ts';
import type { RowBatch, RunRows } from '../findings/run-rows.ts';
import type { ExtractOptions, Mode } from '../options/extract-options.ts';
import { expectIntact, readIntact } from '../run/intact-files.ts';
import type { RunJson } from '../run/run-json.ts';
import type { OutputStore, WrittenFile } from '../storage/output-store.ts';
import { textLines } from '../storage/text-lines.ts';
import { npyTableRows } from './npy-table-rows.ts';

/** Rows of text formats that are handed on at once. */
const BATCH_ROWS = 1024;

/** Where the first output's numbers stand. */
interface Places {
  readonly vector: string | undefined;
  readonly reduced: string | undefined;
  /** Before pc1 and f1 in the CSV header. */
  readonly prefix: string;
}

/** The layer or "pixels" that findings and report look at: the first of a run. */
export function firstOutput(run: RunJson): FeatureOutput {
  const model = run.model as { readonly layers: readonly FeatureOutput[] } | undefined;
  return model?.layers[0] ?? { layer: 'pixels', pool: 'none', length: 300 };
}

/**
 * The rows of a finished table, from whichever of its formats holds most.
 * @throws RunError when it holds none that can be read back, or no origins
 */
export function tableRows(store: OutputStore, run: RunJson): RunRows {
  const options = run.options as ExtractOptions;
  const { mode, k } = options;
  const model = run.model as { readonly layers: readonly FeatureOutput[] } | undefined;
  const outputs = model?.layers ?? [firstOutput(run)];
  const columns = selectColumns(
    featureColumns(mode as Mode, outputs, k),
    options.columns?.split(','),
  );
  const vector = columns.find(({ kind, output }) => kind === 'vector' && output === 0);
  const reduced = columns.find(({ kind, output }) => kind === 'reduced' && output === 0);
  const format = (['parquet', 'feather', 'npy', 'json', 'csv'] as const).find(
    (name) => filesOf(run, name).length > 0,
  );
  const hasOrigin = columns.some(({ kind }) => kind === 'origin');
  const hasNumbers = vector !== undefined || reduced !== undefined;
  if (format === undefined || !hasOrigin || !hasNumbers) {
    throw new RunError(
      `Expected a table with origins and features but found ${hasOrigin ? 'no features' : 'no origins'} in ${store.target}.`,
      { fix: 'Run the extraction without --columns, or with origin and a column of features.' },
    );
  }
  // The CSV matrix holds vectors only where there is nothing reduced.
  const hasVector = vector !== undefined && (format !== 'csv' || reduced === undefined);
  const places: Places = {
    vector: hasVector ? vector.name : undefined,
    reduced: reduced?.name,
    prefix: (vector ?? reduced)?.prefix ?? '',
  };
  const files = filesOf(run, format);
  const dims = hasVector ? vector.length : 0;
  const sizes = { dims, k: reduced?.length ?? 0 };
  return {
    count: run.counts.extracted,
    ...sizes,
    async *batches() {
      if (format === 'npy') {
        // Its files are read side by side.
        for (const file of files) await expectIntact(store, file);
        yield* gather(npyTableRows(store, places), sizes, 'npy');
        return;
      }
      for (const file of files) {
        if (format === 'parquet' || format === 'feather') {
          yield* arrowBatches(await readIntact(store, file), file.name, format, places);
          continue;
        }
        await expectIntact(store, file);
        yield* gather(textRows(store, file.name, format, places, sizes), sizes, file.name);
      }
    },
  };
}

function filesOf(run: RunJson, format: string): WrittenFile[] {
  return run.files.filter(({ name }) => name.startsWith(`${format}/`));
}

async function* arrowBatches(
  bytes: Uint8Array,
  name: string,
  format: 'parquet' | 'feather',
  places: Places,
): AsyncGenerator<RowBatch> {
  const { readParquetBatches } = await import('../export/parquet/parquet-rows.ts');
  const { readFeatherBatches } = await import('../export/feather-rows.ts');
  const read = format === 'parquet' ? readParquetBatches : readFeatherBatches;
  for (const batch of read(bytes, name)) {
    const n = batch.numRows;
    const text = (column: string): string[] => {
      const cells = batch.getChild(column);
      return Array.from({ length: n }, (_, i) => (cells?.get(i) as string | null) ?? '');
    };
    const numbers = (column: string | undefined) => {
      if (column === undefined) return undefined;
      const list = batch.getChild(column)!.data[0];
      const { valueOffsets, children } = list;
      return children[0].values.subarray(valueOffsets[0], valueOffsets[n]);
    };
    yield {
      n,
      origins: text('origin'),
      targets: text('target'),
      vectors: (numbers(places.vector) as Float32Array | undefined) ?? new Float32Array(0),
      reduced: (numbers(places.reduced) as Float64Array | undefined) ?? new Float64Array(0),
    };
  }
}

interface TextRow {
  readonly origin: string;
  readonly target: string;
  readonly vector: ArrayLike<number>;
  readonly reduced: ArrayLike<number>;
}

async function* textRows(
  store: OutputStore,
  name: string,
  format: 'json' | 'csv',
  { vector, reduced, prefix }: Places,
  { dims, k }: { readonly dims: number; readonly k: number },
): AsyncGenerator<TextRow> {
  const lines = textLines(store.read(name));
  if (format === 'json') {
    for await (const line of lines) {
      const row = JSON.parse(line) as Record<string, unknown>;
      yield {
        origin: String(row.origin),
        target: String(row.target ?? ''),
        vector: vector === undefined ? [] : (row[vector] as number[]),
        reduced: reduced === undefined ? [] : (row[reduced] as number[]),
      };
    }
    return;
  }
  let header: string[] | undefined;
  for await (const cells of csvRecords(lines)) {
    if (header === undefined) {
      header = cells;
      continue;
    }
    const at = (column: string) => header!.indexOf(column);
    const text = (column: string) => (cells[at(column)] ?? '').replace(/^'/, '');
    const numbers = (start: string, length: number) => {
      const from = at(`${prefix}${start}1`);
      return Array.from({ length }, (_, i) => Number(cells[from + i]));
    };
    yield {
      origin: text('origin'),
      target: text('target'),
      vector: numbers('f', dims),
      reduced: numbers('pc', k),
    };
  }
}

async function* gather(
  rows: AsyncIterable<TextRow>,
  { dims, k }: { readonly dims: number; readonly k: number },
  name: string,
): AsyncGenerator<RowBatch> {
  let waiting: TextRow[] = [];
  const batch = (): RowBatch => {
    const n = waiting.length;
    const vectors = new Float32Array(n * dims);
    const reduced = new Float64Array(n * k);
    waiting.forEach((row, i) => {
      vectors.set(row.vector, i * dims);
      reduced.set(row.reduced, i * k);
    });
    const origins = waiting.map(({ origin }) => origin);
    const targets = waiting.map(({ target }) => target);
    waiting = [];
    return { n, origins, targets, vectors, reduced };
  };
  for await (const row of rows) {
    const { origin, vector, reduced } = row;
    if (vector?.length !== dims || reduced?.length !== k) {
      throw new RunError(
        `Expected ${dims} and ${k} values in ${name} but found ${vector?.length} and ${reduced?.length} for ${origin}.`,
        { fix: 'Compute the table anew with --overwrite.' },
      );
    }
    waiting.push(row);
    if (waiting.length === BATCH_ROWS) yield batch();
  }
  if (waiting.length > 0) yield batch();
}
