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
  let open = '';
  let isOpen = false;
  for await (const line of lines) {
    const text = isOpen ? `${open}\n${line}` : line;
    const cells = splitRecord(text, delimiter);
    isOpen = cells === undefined;
    if (cells !== undefined) yield cells;
    else if (text.length > MAX_RECORD) break;
    else open = text;
  }
  if (isOpen) throw new RangeError(`a quote that is not closed (${open.slice(0, 60)})`);
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
