import { decodeTextStream } from '../decode-text.ts';
import { delimitedRecords, splitRecord } from '../delimited-text.ts';
import { SourceError } from '../errors.ts';
import { show } from '../json.ts';
import { type ListRow, type ListText, PATH_NAMES } from './row-columns.ts';

/** Rows of a JSON array are parsed at once. */
const MAX_ARRAY_CHARS = 1 << 28;
const MAX_LINE_CHARS = 1 << 24;
const DELIMITERS: Readonly<Record<string, readonly string[]>> = {
  '.csv': [',', ';'],
  '.tsv': ['\t'],
};

/**
 * Opens a list in any of its forms, which its first characters tell: a JSON array, JSON lines, a table with a header, or paths. In a
 * .csv or .tsv the first line is a header in any case. Lines of JSON and paths may be mixed.
 * @param pathColumn the column that holds the paths, where its name is not a usual one
 * @throws SourceError for text in none of these forms
 */
export async function openListText(
  bytes: AsyncIterable<Uint8Array>,
  name: string,
  pathColumn?: string,
): Promise<ListText> {
  const pieces = decodeTextStream(bytes)[Symbol.asyncIterator]();
  let start = '';
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    start += next.value;
    // No regular expression: from each place of a long line it would look for an end that is not there.
    const line = start.trimStart();
    if (line.includes('\n') || line.includes('\r') || line.length > MAX_LINE_CHARS) break;
  }
  const rest = async function* () {
    yield start;
    yield* { [Symbol.asyncIterator]: () => pieces };
  };
  if (/^\s*\[\s*(?:[{"\]]|$)/.test(start)) {
    return { header: undefined, rows: arrayRows(rest(), name) };
  }
  const first = start.trimStart().split(/[\r\n]/, 1)[0];
  const delimiter = delimiterOf(first, /\.[^.]*$/.exec(name)?.[0].toLowerCase() ?? '', pathColumn);
  const lines = linesOf(rest(), name);
  if (delimiter === undefined) return { header: undefined, rows: lineRows(lines, name) };
  return openTable(delimitedRecords(lines, delimiter), name);
}

/** Of a table; undefined where the first line is no header. */
function delimiterOf(
  first: string,
  extension: string,
  pathColumn: string | undefined,
): string | undefined {
  const expected = DELIMITERS[extension];
  const isHeader = (delimiter: string) => {
    const names = splitRecord(first, delimiter) ?? [];
    const isPath = (cell: string) =>
      pathColumn === undefined
        ? PATH_NAMES.includes(cell.trim().toLowerCase())
        : cell.trim() === pathColumn;
    return (expected !== undefined || names.length > 1) && names.some(isPath);
  };
  const candidates = expected ?? [',', ';', '\t'];
  return candidates.find(isHeader) ?? expected?.[0];
}

/** Lines that end in LF, CR LF or CR, without that. */
async function* linesOf(pieces: AsyncIterable<string>, name: string): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of pieces) {
    const text = rest + piece;
    // A CR at the end may be followed by its LF.
    const end = text.endsWith('\r') ? text.length - 1 : text.length;
    const lines = text.slice(0, end).split(/\r\n|\r|\n/);
    rest = lines.pop()! + text.slice(end);
    if (rest.length > MAX_LINE_CHARS)
      throw new SourceError(
        `Expected lines in ${name} but found one of more than ${MAX_LINE_CHARS} characters.`,
        { fix: 'Name a list of images: paths, JSON lines or a table.' },
      );
    yield* lines;
  }
  const last = rest.replace(/\r$/, '');
  if (last !== '') yield last;
}

async function* lineRows(lines: AsyncIterable<string>, name: string): AsyncGenerator<ListRow> {
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() === '') continue;
    const where = `line ${number} of ${name}`;
    if (/^\s*\[/.test(line)) {
      throw new SourceError(
        `Expected an object a line in ${name} but found an array in line ${number}.`,
        {
          fix: "Write one object a line, as jq -c '.[]' does, or one array as the whole file.",
        },
      );
    }
    if (line.trimStart().startsWith('{')) yield { where, cells: parseObject(line, where) };
    else yield { where, line };
  }
}

function parseObject(line: string, where: string): Record<string, unknown> {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new SourceError(`Expected JSON in ${where} but it does not parse.`, {
      fix: 'Each line must be a path or an object such as {"path": "a/1.jpg", "target": "a"}.',
      cause,
    });
  }
}

async function* arrayRows(pieces: AsyncIterable<string>, name: string): AsyncGenerator<ListRow> {
  let text = '';
  for await (const piece of pieces) {
    text += piece;
    if (text.length <= MAX_ARRAY_CHARS) continue;
    throw new SourceError(
      `Expected at most ${MAX_ARRAY_CHARS} characters in the array of ${name} but found more.`,
      {
        fix: "Write one object a line, as jq -c '.[]' does.",
      },
    );
  }
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch (cause) {
    throw new SourceError(`Expected a JSON array in ${name} but it does not parse.`, {
      fix: 'Write it as [{"path": "a/1.jpg", "target": "a"}], or one path a line; a path that begins with [ as ./[.',
      cause,
    });
  }
  for (const [i, row] of (rows as unknown[]).entries()) {
    const where = `item ${i + 1} of ${name}`;
    if (typeof row === 'string') yield { where, line: row };
    else if (typeof row === 'object' && row !== null)
      yield { where, cells: row as Record<string, unknown> };
    else throw new SourceError(`Expected an object or a path in ${where} but found ${show(row)}.`);
  }
}

async function openTable(records: AsyncGenerator<string[]>, name: string): Promise<ListText> {
  const found = (await recordsOf(records, name).next()).value ?? [];
  const header = found.map((cell) => cell.trim());
  const twin = header.find((cell, i) => cell !== '' && header.indexOf(cell) !== i);
  if (twin !== undefined) {
    throw new SourceError(
      `Expected each column once in the header of ${name} but found ${show(twin)} twice.`,
      {
        fix: 'Rename one of them.',
      },
    );
  }
  return { header, rows: tableRows(records, header, name) };
}

async function* tableRows(
  records: AsyncGenerator<string[]>,
  header: readonly string[],
  name: string,
): AsyncGenerator<ListRow> {
  let number = 1;
  for await (const record of recordsOf(records, name)) {
    number += 1;
    if (record.length === 1 && record[0].trim() === '') continue;
    const where = `row ${number} of ${name}`;
    if (record.length !== header.length) {
      throw new SourceError(
        `Expected ${header.length} cells, as its header has, in ${where} but found ${record.length}.`,
        { fix: 'Put cells that hold the delimiter or a line end in quotes.' },
      );
    }
    const cells: Record<string, unknown> = Object.create(null);
    header.forEach((column, i) => {
      if (column !== '') cells[column] = record[i];
    });
    yield { where, cells };
  }
}

async function* recordsOf(
  records: AsyncGenerator<string[]>,
  name: string,
): AsyncGenerator<string[], undefined> {
  try {
    // Not for-await: the records go on after the header was read.
    for (let next = await records.next(); !next.done; next = await records.next()) yield next.value;
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new SourceError(`Expected a table in ${name} but found ${cause.message}.`, { cause });
  }
}
