import { textLines } from '../../storage/byte-streams.ts';
import { type FeatureColumn, matrixColumns } from '../column-names.ts';
import { inBatches, type ReadTable, type TableBatch, type TableRow } from '../table-batch.ts';

/** See ReadTable. Of an output the matrix holds the reduced vector, where there is one, else the whole. */
export async function* readCsvTable(
  ...[files, name, columns]: Parameters<ReadTable>
): AsyncGenerator<TableBatch> {
  const kept = matrixColumns(columns);
  yield* inBatches(rows(csvRecords(textLines(files.stream(name))), kept), kept);
}

/** Undoes the apostrophe of `csvText`. */
async function* rows(
  records: AsyncIterable<string[]>,
  columns: readonly FeatureColumn[],
): AsyncGenerator<TableRow> {
  let header: string[] | undefined;
  for await (const record of records) {
    if (header === undefined) {
      header = record;
      continue;
    }
    const text = (column: string) => record[header!.indexOf(column)]?.replace(/^'/, '');
    const [cells, fault] = numbersOf(record, header, columns);
    yield { origin: text('origin'), target: text('target'), cells, fault };
  }
}

/** The numbers of each column, and what is wrong with the row. */
function numbersOf(
  record: readonly string[],
  header: readonly string[],
  columns: readonly FeatureColumn[],
): readonly [Record<string, number[]>, string | undefined] {
  const cells: Record<string, number[]> = Object.create(null);
  let fault: string | undefined;
  for (const { name, kind, prefix, length } of columns) {
    if (kind === 'origin' || kind === 'target') continue;
    const from = header.indexOf(`${prefix}${kind === 'reduced' ? 'pc' : 'f'}1`);
    const texts = from === -1 ? [] : record.slice(from, from + length);
    cells[name] = texts.map((text) => (text === '' ? Number.NaN : Number(text)));
    const bad = cells[name].findIndex((value) => !Number.isFinite(value));
    if (bad !== -1) fault = `${header[from + bad]} holds ${JSON.stringify(texts[bad])}`;
  }
  const isWhole = record.length === header.length;
  return [cells, isWhole ? fault : `${record.length} cells instead of ${header.length}`];
}

/** Records of RFC 4180; a quoted cell may hold line ends. */
export async function* csvRecords(lines: AsyncIterable<string>): AsyncGenerator<string[]> {
  let record = '';
  for await (const line of lines) {
    record = record === '' ? line : `${record}\n${line}`;
    // An odd number of quotes: a cell continues in the next line.
    if ((record.match(/"/g)?.length ?? 0) % 2 === 1) continue;
    yield splitRecord(record);
    record = '';
  }
  if (record !== '') yield splitRecord(record);
}

function splitRecord(record: string): string[] {
  const cells: string[] = [];
  let at = 0;
  while (at <= record.length) {
    let end: number;
    if (record[at] === '"') {
      end = at + 1;
      while (end < record.length && (record[end] !== '"' || record[end + 1] === '"')) {
        end += record[end] === '"' ? 2 : 1;
      }
      cells.push(record.slice(at + 1, end).replaceAll('""', '"'));
      end += 1;
    } else {
      end = record.indexOf(',', at);
      if (end === -1) end = record.length;
      cells.push(record.slice(at, end));
    }
    at = end + 1;
  }
  return cells;
}
