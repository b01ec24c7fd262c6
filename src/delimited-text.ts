/** Longer than any row of a table or list: a quote that is never closed would gather the rest of the file. */
const MAX_RECORD = 1 << 24;

/**
 * Records of RFC 4180; a quoted cell may hold the delimiter, quotes (doubled) and line ends.
 * @throws RangeError for a quote that is not closed
 */
export async function* delimitedRecords(
  lines: AsyncIterable<string>,
  delimiter = ',',
): AsyncGenerator<string[]> {
  /** Lines of a record that goes on. */
  let open: string[] = [];
  let length = 0;
  for await (const line of lines) {
    const isOpen = open.push(line) > 1;
    length += line.length;
    // Only a quote can end a quoted cell: to split all lines again after each one would take the square of their number.
    const mayEnd = !isOpen || line.includes('"');
    const cells = mayEnd ? splitRecord(open.join('\n'), delimiter) : undefined;
    if (cells === undefined && length <= MAX_RECORD) continue;
    if (cells === undefined) break;
    yield cells;
    open = [];
    length = 0;
  }
  if (open.length > 0) {
    throw new RangeError(`a quote that is not closed (${open.join('\n').slice(0, 60)})`);
  }
}

/** @returns undefined where a quoted cell goes on in the next line */
export function splitRecord(record: string, delimiter: string): string[] | undefined {
  const cells: string[] = [];
  let at = 0;
  while (at <= record.length) {
    let end: number;
    if (record[at] === '"') {
      end = at + 1;
      while (end < record.length && (record[end] !== '"' || record[end + 1] === '"')) {
        end += record[end] === '"' ? 2 : 1;
      }
      if (end >= record.length) return undefined;
      const quoted = record.slice(at + 1, end).replaceAll('""', '"');
      at = end + 1;
      end = record.indexOf(delimiter, at);
      if (end === -1) end = record.length;
      cells.push(quoted + record.slice(at, end));
    } else {
      end = record.indexOf(delimiter, at);
      if (end === -1) end = record.length;
      cells.push(record.slice(at, end));
    }
    at = end + 1;
  }
  return cells;
}
