import { existsSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { OptionError, SourceError } from '../errors.ts';
import { show } from '../json.ts';
import { labelledPaths, withLabels } from './list-source.ts';
import { type LabelledPath, type ListColumns, RowColumns } from './row-columns.ts';
import type { Listed, Source, SourceEntry } from './source.ts';

export interface LabelOptions {
  /** A list with the labels of the images (`--labels`). */
  readonly labels?: string | undefined;
  /** How that list is read. */
  readonly columns?: ListColumns | undefined;
  /** The split is that of the folders (`--split folders`). */
  readonly splitFromFolders?: boolean;
}

/** Names given in a message. */
const EXAMPLES = 3;

/** The same images, with what a list beside them, or their folders, say of each. */
export function openLabelledSource(source: Source, options: LabelOptions): Source {
  const { labels, columns = {}, splitFromFolders = false } = options;
  if (labels === undefined && !splitFromFolders) return source;
  if (labels !== undefined && !existsSync(labels)) {
    throw new OptionError(`Expected a list for --labels but found nothing at ${labels}.`, {
      fix: 'Name a .csv, .tsv, .jsonl or .json file with a column of paths and one of labels.',
    });
  }
  const read = new RowColumns(labels ?? '', columns);
  let notes: string[] = [];
  const own = {
    async *list(signal: AbortSignal): AsyncGenerator<Listed> {
      const rows = labels === undefined ? undefined : await LabelRows.read(labels, read, signal);
      const folders = splitFromFolders ? new FolderSplits(source.input) : undefined;
      for await (const listed of source.list(signal)) {
        const split = listed.kind === 'image' ? folders?.of(listed.entry) : undefined;
        const placed = split === undefined ? listed : withLabels(listed, { split });
        yield rows === undefined ? placed : rows.label(placed);
      }
      notes = [...(folders?.notes() ?? []), ...(rows?.notes() ?? [])];
    },
    notes: () => [...(source.notes?.() ?? []), ...notes, ...read.notes()],
    get keptColumns() {
      return labels === undefined ? source.keptColumns : read.kept;
    },
  };
  // Everything else is the source's own, what it knows only after the listing included.
  return Object.create(source, Object.getOwnPropertyDescriptors(own));
}

/** The rows of a list of labels, by the path, file name or stem that each gives. */
class LabelRows {
  readonly #name: string;
  readonly #byPath = new Map<string, LabelledPath>();
  /** Origin of the image that took a row. */
  readonly #taken = new Map<LabelledPath, string>();
  readonly #without: string[] = [];
  #withoutCount = 0;
  #hasTarget = false;
  #hasSplit = false;
  #keptCount = 0;

  static async read(name: string, columns: RowColumns, signal: AbortSignal): Promise<LabelRows> {
    const rows = new LabelRows(name);
    for await (const row of labelledPaths(name, columns, signal)) rows.#add(row);
    if (rows.#byPath.size === 0) {
      throw new SourceError(`Expected labels in ${name} but found no rows.`);
    }
    rows.#keptCount = columns.kept.length;
    return rows;
  }

  constructor(name: string) {
    this.#name = name;
  }

  label(listed: Listed): Listed {
    if (listed.kind === 'skipped') return listed;
    const { origin, location } =
      listed.kind === 'image' ? listed.entry : { ...listed.rejection, location: '' };
    const row = this.#find(location) ?? this.#find(origin);
    if (row !== undefined) {
      this.#take(row, origin);
      return withLabels(listed, row);
    }
    if (listed.kind === 'rejected') return listed;
    this.#withoutCount++;
    if (this.#without.length < EXAMPLES) this.#without.push(origin);
    // The folder of an image that the list leaves out would be one more class.
    return withLabels(listed, {
      target: this.#hasTarget ? '' : undefined,
      split: this.#hasSplit ? '' : undefined,
      kept: this.#keptCount > 0 ? Array(this.#keptCount).fill('') : undefined,
    });
  }

  notes(): string[] {
    const rows = [...this.#byPath.values()].filter((row) => !this.#taken.has(row));
    const images = { count: this.#withoutCount, examples: this.#without };
    const unused = {
      count: rows.length,
      examples: rows.slice(0, EXAMPLES).map(({ path }) => path),
    };
    return [
      ...say(
        images,
        `images have no row in ${this.#name}${this.#hasTarget ? ', their target is empty' : ''}`,
      ),
      ...say(unused, `rows of ${this.#name} have no image`),
    ];
  }

  #add(row: LabelledPath): void {
    const path = plainPath(row.path);
    const before = this.#byPath.get(path);
    if (before !== undefined && labelsOf(before) !== labelsOf(row)) {
      throw new SourceError(
        `Expected one label for ${show(row.path)} but found ${labelsOf(before)} in ${before.where} and ${labelsOf(row)} in ${row.where}.`,
        { fix: 'Keep the row that is right.' },
      );
    }
    if (before === undefined) this.#byPath.set(path, row);
    this.#hasTarget ||= row.target !== undefined;
    this.#hasSplit ||= row.split !== undefined;
  }

  /** The row that names the longest end of a path, with or without its extension. */
  #find(path: string): LabelledPath | undefined {
    const plain = sep === '/' ? path : path.replaceAll(sep, '/');
    const dot = plain.lastIndexOf('.');
    const stem = dot > plain.lastIndexOf('/') + 1 ? dot : plain.length;
    for (let from = 0; ; from = plain.indexOf('/', from) + 1) {
      const row = this.#byPath.get(plain.slice(from)) ?? this.#byPath.get(plain.slice(from, stem));
      if (row !== undefined || plain.indexOf('/', from) === -1) return row;
    }
  }

  #take(row: LabelledPath, origin: string): void {
    const other = this.#taken.get(row);
    if (other !== undefined) {
      throw new SourceError(
        `Expected one image for ${show(row.path)} in ${row.where} but found ${other} and ${origin}.`,
        {
          fix: 'Write paths below the input in that list, in place of names that several images have.',
        },
      );
    }
    this.#taken.set(row, origin);
  }
}

function say(
  { count, examples }: { readonly count: number; readonly examples: readonly string[] },
  what: string,
): string[] {
  if (count === 0) return [];
  return [`${count} ${what}: ${examples.join(', ')}${count > examples.length ? ' …' : ''}.`];
}

function labelsOf({ target, split, kept }: LabelledPath): string {
  return JSON.stringify([target, split, ...(kept ?? [])].filter((text) => text !== undefined));
}

/** Without "./" in front. */
function plainPath(path: string): string {
  return path.replace(/^(?:\.\/+)+/, '');
}

// A Map: a folder may be named "constructor".
const PARTS: ReadonlyMap<string, string> = new Map([
  ['train', 'train'],
  ['training', 'train'],
  ['test', 'test'],
  ['testing', 'test'],
  ['val', 'val'],
  ['valid', 'val'],
  ['validation', 'val'],
]);

/** The front of the name of an archive or a Parquet file: `train-00000-of-00002.parquet`, `val.tar`. */
const FILE_OF_PART = /^([a-z]+)(?:[-_.\d].*)?\.(?:tar|tar\.gz|tgz|zip|parquet)(?:#\d+)?$/i;

/** Splits by the first folder below the input, archive or Parquet file that has a usual name. */
class FolderSplits {
  readonly #input: string;
  readonly #without: string[] = [];
  #withoutCount = 0;
  #found = 0;

  constructor(input: string) {
    this.#input = input;
  }

  of(entry: SourceEntry): string {
    const names = this.#belowInput(entry).split(/[/\\]/);
    const part = names
      .map((name, i) => FILE_OF_PART.exec(name)?.[1] ?? (i < names.length - 1 ? name : ''))
      .map((name) => PARTS.get(name.toLowerCase()))
      .find((one) => one !== undefined);
    if (part !== undefined) {
      this.#found++;
      return part;
    }
    this.#withoutCount++;
    if (this.#without.length < EXAMPLES) this.#without.push(entry.origin);
    return '';
  }

  /** @throws SourceError where no image is in such a folder */
  notes(): string[] {
    const names = [...PARTS.keys()].join(', ');
    if (this.#found === 0) {
      throw new SourceError(
        `Expected folders for --split folders below ${this.#input} but found no image in one named ${names}.`,
        { fix: 'Name the folder that holds these folders, or make a split: --split 80/10/10.' },
      );
    }
    const rest = { count: this.#withoutCount, examples: this.#without };
    return say(rest, `images are in no folder or archive named ${names}; their split is empty`);
  }

  /** Folders above the input do not count: a list has none. */
  #belowInput({ origin, location }: SourceEntry): string {
    const root = resolve(this.#input) + sep;
    if (location.startsWith(root)) return location.slice(root.length);
    return origin.startsWith(this.#input) ? origin.slice(this.#input.length) : origin;
  }
}
