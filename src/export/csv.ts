import type { RecordBatch, Vector } from 'apache-arrow';
import { delimitedRecords } from '../delimited-text.ts';
import { textLines } from '../storage/byte-streams.ts';
import type { OutputFile } from '../storage/output-store.ts';
import { listCells } from './arrow-data.ts';
import {
  type FeatureColumn,
  isList,
  labelColumns,
  matrixColumns,
  numericColumns,
  VIEW,
} from './column-names.ts';
import { widened } from './float16.ts';
import type { Sink, SinkContext } from './sink.ts';
import { inBatches, type ReadTable, type TableBatch, type TableRow } from './table-batch.ts';
import { plainBytes, TextBuffer } from './text-buffer.ts';

/** Bytes that a cell holds without quotes. */
const PLAIN = plainBytes('",\r\n', { controls: true });
/** Bytes that a cell may begin with as they are. */
const HARMLESS_START = plainBytes("=+-@\t\r\n'", { controls: true });

/**
 * One matrix for all parts, `csv/features.csv`: origin, target, then pc1…pcK of each output, or its
 * vector f1…fD where the schema has no reduced column for it. Lines end in LF, cells are quoted as in
 * RFC 4180. Text that a spreadsheet would run as a formula gets an apostrophe in front (see `csvText`).
 */
export async function openCsvSink(context: SinkContext): Promise<Sink> {
  const { store, onNote, schema } = context;
  const kept = matrixColumns(schema.columns);
  const text = new TextBuffer();
  const file: OutputFile = await store.create('csv/features.csv');
  const escaped: Escaped = { cells: 0 };
  text.utf8(`${kept.flatMap(headerCells).map(csvText).join(',')}\n`);

  return {
    async beginPart() {},
    async write(batch) {
      const cells = kept.map((column) => openCells(column, batch, text, escaped));
      for (let row = 0; row < batch.numRows; row++) {
        for (let c = 0; c < cells.length; c++) {
          if (c > 0) text.ascii(',');
          cells[c](row);
        }
        text.ascii('\n');
        if (text.isFull) await text.flushTo(file);
      }
    },
    async endPart() {},
    async finish() {
      await text.flushTo(file);
      const names = labelColumns(kept).length > 0 ? TEXTS : ORIGINS;
      if (escaped.cells > 0) onNote?.(describeEscaped(escaped, names));
      return [await file.commit()];
    },
    abort: () => file.abort(),
  };
}

/** Texts that got an apostrophe. */
interface Escaped {
  cells: number;
  first?: string;
}

/** What they are called: one, several. */
const ORIGINS = ['origin or class', 'origins and classes'] as const;
const TEXTS = ['text', 'texts'] as const;

function describeEscaped({ cells, first }: Escaped, [one, several]: readonly string[]): string {
  return (
    `csv/features.csv: an apostrophe stands before ${cells} ${cells === 1 ? one : several}, ` +
    `which a spreadsheet would run as ${cells === 1 ? 'a formula' : 'formulas'} (${first}). Readers drop it; other formats have none.`
  );
}

/** A sign before something else than a plain number (`-1`, `+.5`, `-1.5e3`) makes a formula. */
const FORMULA = /^(?:[=@\t\r\n']|[+-](?!(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$))/i;

/**
 * Quotes a cell (RFC 4180) and prevents spreadsheets from running it: text that begins with `=`, `@`, tab, carriage
 * return or line feed, or with `+` or `-` and is no number, gets an apostrophe in front. So does text that begins with
 * an apostrophe, and the rule can be undone: a reader drops one leading apostrophe wherever there is one.
 */
export function csvText(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function headerCells(column: FeatureColumn): string[] {
  if (!isList(column)) return [column.name];
  const letter = column.kind === 'reduced' ? 'pc' : 'f';
  return Array.from({ length: column.length }, (_, i) => `${column.prefix}${letter}${i + 1}`);
}

/** A function that writes the cells of one row. */
function openCells(
  column: FeatureColumn,
  batch: RecordBatch,
  text: TextBuffer,
  escaped: Escaped,
): (row: number) => void {
  if (!isList(column)) {
    const vector = batch.getChild(column.name)!;
    const data = vector.data[0];
    if (column.kind === 'view') return (row) => text.ascii(String(data.values[row]));
    const offsets: Int32Array = data.valueOffsets;
    const bytes: Uint8Array = data.values;
    return (row) => {
      const [from, to] = [offsets[row], offsets[row + 1]];
      const isPlain = HARMLESS_START[bytes[from]] === 1 && text.copyPlain(bytes, from, to, PLAIN);
      if (isPlain) return;
      const name: string = (vector as Vector).get(row);
      if (FORMULA.test(name)) {
        escaped.cells++;
        escaped.first ??= name;
      }
      text.utf8(csvText(name));
    };
  }
  const { offsets, values: stored } = listCells(batch, column);
  const values = widened(stored);
  return (row) => text.numbers(values, offsets[row], offsets[row + 1]);
}

/** See ReadTable. Of an output the matrix holds the reduced vector, where there is one, else the whole. */
export async function* readCsvTable(
  ...[files, name, columns]: Parameters<ReadTable>
): AsyncGenerator<TableBatch> {
  const kept = matrixColumns(columns);
  yield* inBatches(rows(delimitedRecords(textLines(files.stream(name))), kept), kept);
}

/** Undoes the apostrophe of `csvText`. */
async function* rows(
  records: AsyncIterable<string[]>,
  columns: readonly FeatureColumn[],
): AsyncGenerator<TableRow> {
  let header: string[] | undefined;
  for await (const record of records) {
    if (header === undefined) {
      header = record.map(withoutApostrophe);
      continue;
    }
    const text = (column: string) => {
      const cell = record[header!.indexOf(column)];
      return cell === undefined ? undefined : withoutApostrophe(cell);
    };
    const [cells, fault] = numbersOf(record, header, columns);
    for (const { name } of labelColumns(columns)) cells[name] = text(name);
    const view = text(VIEW) ?? '';
    if (/^\d+$/.test(view)) cells[VIEW] ??= Number(view);
    yield { origin: text('origin'), target: text('target'), cells, fault };
  }
}

function withoutApostrophe(cell: string): string {
  return cell.replace(/^'/, '');
}

/** The numbers of each column, and what is wrong with the row. */
function numbersOf(
  record: readonly string[],
  header: readonly string[],
  columns: readonly FeatureColumn[],
): readonly [Record<string, unknown>, string | undefined] {
  const cells: Record<string, unknown> = Object.create(null);
  let fault: string | undefined;
  for (const { name, kind, prefix, length } of numericColumns(columns)) {
    const from = header.indexOf(`${prefix}${kind === 'reduced' ? 'pc' : 'f'}1`);
    const texts = from === -1 ? [] : record.slice(from, from + length);
    const numbers = texts.map((text) => (text === '' ? Number.NaN : Number(text)));
    const bad = numbers.findIndex((value) => !Number.isFinite(value));
    cells[name] = numbers;
    if (bad !== -1) fault = `${header[from + bad]} holds ${JSON.stringify(texts[bad])}`;
  }
  const isWhole = record.length === header.length;
  return [cells, isWhole ? fault : `${record.length} cells instead of ${header.length}`];
}
