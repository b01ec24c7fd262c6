import type { OutputStore } from '../storage/output-store.ts';
import { textLines } from '../storage/text-lines.ts';
import type { CheckedRow } from './checked-rows.ts';

/** Reads `features.csv` back, undoing the apostrophe of `csvText`. */
export async function* csvRows(store: OutputStore, name: string): AsyncGenerator<CheckedRow> {
  let header: string[] | undefined;
  for await (const cells of csvRecords(textLines(store.read(name)))) {
    if (header === undefined) {
      header = cells;
      continue;
    }
    const at = header.indexOf('origin');
    yield {
      origin: at === -1 ? undefined : cells[at].replace(/^'/, ''),
      fault: faultOf(cells, header),
    };
  }
}

/** Records of RFC 4180; a quoted cell may hold line ends. */
export async function* csvRecords(lines: AsyncIterable<string>): AsyncGenerator<string[]> {
  let record = '';
  for await (const line of lines) {
    record = record === '' ? line : `${record}\n${line}`;
    // An odd number of quotes: a cell goes on in the next line.
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

function faultOf(cells: readonly string[], header: readonly string[]): string | undefined {
  if (cells.length !== header.length) return `${cells.length} cells instead of ${header.length}`;
  const bad = cells.findIndex(
    (cell, i) =>
      header[i] !== 'origin' &&
      header[i] !== 'target' &&
      (cell === '' || !Number.isFinite(Number(cell))),
  );
  return bad === -1 ? undefined : `${header[bad]} holds ${JSON.stringify(cells[bad])}`;
}
