import { type ListPage, listPage } from './list-objects.ts';
import type { S3Object } from './list-xml.ts';
import type { S3Connection } from './s3-connection.ts';

/** Parts of the list that are read at once. */
const MOST_RANGES = 8;
/** A range of keys has at least so many pages before a part of it is given away: shorter lists cost no request more. */
const PAGES_BEFORE_SPLIT = 4;

/** Keys that are listed page after page: those after one and up to another, both in the order of their bytes. */
interface Range {
  /** Empty for the first range. */
  readonly after: string;
  until: string | undefined;
  /** Where the rest of it can be cut, ascending; undefined where that is not known. */
  borders: readonly string[] | undefined;
  pages: number;
  /** The number of pages after which borders are looked for again. */
  searchAt: number;
  /** The last key so far, or empty. */
  last: string;
  next: Promise<{ range: Range; page: ListPage }>;
}

/**
 * All objects below a prefix, in pieces that come in no order. A page says only when it is there how the next one is asked
 * for, so a long list is cut at its folders into ranges that are read at the same time: one whose pages go on gives away
 * parts while fewer than 8 are read. In memory: two pages of each range.
 *
 * @throws SourceError or ExportError
 */
export async function* listManyObjects(
  connection: S3Connection,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<readonly S3Object[]> {
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const running = new Set<Range>();
  const ask = (range: Range, token?: string) => {
    const page = listPage(connection, { prefix, after: range.after || undefined, token }, ended);
    range.next = page.then((found) => ({ range, page: found }));
    range.next.catch(() => {}); // the error is handled below
  };
  const start = (after = '', until?: string, borders?: readonly string[]) => {
    const range = { after, until, borders, pages: 0, searchAt: PAGES_BEFORE_SPLIT, last: '' };
    ask(range as Range);
    running.add(range as Range);
  };
  const search = (range: Range) => {
    range.searchAt *= 2;
    findBorders(connection, prefix, range, ended).then(
      (borders) => {
        range.borders = borders;
      },
      () => {}, // a store that fails fails the pages as well
    );
  };
  // Directory buckets list in no order.
  let canCut = !connection.bucket.endsWith('--x-s3');
  let isCut = false;
  start();
  try {
    while (running.size > 0) {
      const { range, page } = await Promise.race([...running].map(({ next }) => next));
      const first = page.objects[0]?.key;
      const last = page.objects.at(-1)?.key ?? range.last;
      if (!isInOrder(page.objects, range.last)) {
        if (isCut) throw unordered(connection, prefix, range.last);
        canCut = false;
      }
      // A store that does not know StartAfter begins a range with the first key of all.
      if (first !== undefined && compareBytes(first, range.after) <= 0) canCut = false;
      range.pages++;
      range.last = last;
      const isBeyond = range.until !== undefined && compareBytes(last, range.until) > 0;
      if (page.token === undefined || isBeyond) running.delete(range);
      else {
        ask(range, page.token);
        if (canCut && range.pages >= PAGES_BEFORE_SPLIT) {
          for (const part of giveAway(range, MOST_RANGES - running.size)) {
            isCut = true;
            start(...part);
          }
          if (range.borders === undefined && range.pages >= range.searchAt) search(range);
        }
      }
      const objects = ofRange(page.objects, range);
      if (objects.length > 0) yield objects;
    }
  } finally {
    stop.abort(new Error('no longer wanted'));
    await Promise.allSettled([...running].map(({ next }) => next));
  }
}

type RangeStart = readonly [after: string, until: string | undefined, borders: readonly string[]];

/** Cuts the rest of a range evenly at its borders; it keeps the first part itself. */
function giveAway(range: Range, idle: number): RangeStart[] {
  const borders = (range.borders ?? []).filter((one) => compareBytes(one, range.last) > 0);
  const parts = Math.min(idle, borders.length) + 1;
  if (borders.length === 0) range.borders = undefined;
  if (parts === 1) return [];
  const cuts = Array.from({ length: parts }, (_, i) => Math.floor((borders.length * i) / parts));
  const given = cuts.slice(1).map((at, i): RangeStart => {
    const end = cuts[i + 2];
    const until = end === undefined ? range.until : borders[end];
    return [borders[at], until, borders.slice(at + 1, end)];
  });
  range.until = borders[cuts[1]];
  range.borders = borders.slice(0, cuts[1]);
  return given;
}

/** Folders that begin in the rest of a range: those beside the folders of its last key, and where these are few those in them. */
async function findBorders(
  connection: S3Connection,
  prefix: string,
  { last, until }: Range,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const isWithin = (folder: string) =>
    compareBytes(folder, last) > 0 && (until === undefined || compareBytes(folder, until) < 0);
  const foldersBelow = async (parents: readonly string[]) => {
    const pages = await Promise.all(
      parents.map((parent) =>
        listPage(connection, { prefix: parent, delimiter: '/', after: last }, signal),
      ),
    );
    return pages.flatMap(({ folders }) => folders.filter(isWithin));
  };
  const names = last.slice(prefix.length).split('/').slice(0, -1);
  const beside = await foldersBelow([
    prefix,
    ...names.map((_, i) => `${prefix}${names.slice(0, i + 1).join('/')}/`),
  ]);
  const inside = beside.length < MOST_RANGES ? await foldersBelow(beside) : [];
  return [...new Set([...beside, ...inside])].sort(compareBytes);
}

function ofRange(objects: readonly S3Object[], { after, until }: Range): readonly S3Object[] {
  const isIn = ({ key }: S3Object) =>
    compareBytes(key, after) > 0 && (until === undefined || compareBytes(key, until) <= 0);
  // Of most pages all are.
  const isWhole = objects.length === 0 || (isIn(objects[0]) && isIn(objects.at(-1)!));
  return isWhole ? objects : objects.filter(isIn);
}

function isInOrder(objects: readonly S3Object[], before: string): boolean {
  let last = Buffer.from(before);
  return objects.every(({ key }) => {
    const bytes = Buffer.from(key);
    const isAfter = Buffer.compare(last, bytes) < 0;
    last = bytes;
    return isAfter;
  });
}

function unordered(connection: S3Connection, prefix: string, before: string): Error {
  return connection.error(
    `Expected the list of ${connection.urlOf(prefix)} in the order of its keys but found others after ${before}.`,
    'This store does not list as S3 does (ListObjectsV2): name its folders one by one.',
  );
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
