import { SourceError } from '../errors.ts';
import { show } from '../json.ts';

/** A row of a list: a path alone, or cells by the name of their column. */
export interface ListRow {
  /** `line 3 of list.csv`, for messages. */
  readonly where: string;
  readonly line?: string;
  readonly cells?: Readonly<Record<string, unknown>>;
}

export interface ListText {
  /** The column names of a table with a header. */
  readonly header: readonly string[] | undefined;
  readonly rows: AsyncIterable<ListRow>;
}

/** Usual names of the columns of a list, in lower case; the first that is there is read. */
export const PATH_NAMES: readonly string[] = [
  'path',
  'file',
  'filename',
  'file_name',
  'image',
  'origin',
];
export const TARGET_NAMES: readonly string[] = ['target', 'label', 'class'];
export const SPLIT_NAMES: readonly string[] = ['split'];

/** Names that `--keep-columns all` passes over: the table has them. */
export const OWN_NAMES: readonly string[] = ['', 'origin', 'target', 'split'];

/** Which columns of a list mean what. */
export interface ListColumns {
  readonly path?: string | undefined;
  readonly target?: string | undefined;
  readonly split?: string | undefined;
  /** Columns that are carried through. */
  readonly keep?: 'all' | readonly string[] | undefined;
  /** The split comes from elsewhere. */
  readonly ignoresSplit?: boolean;
}

/** What a row of a list says of an image; undefined where it says nothing. */
export interface LabelledPath {
  readonly where: string;
  readonly path: string;
  readonly target?: string | undefined;
  readonly split?: string | undefined;
  readonly kept?: readonly string[] | undefined;
}

/** A list of other things could have a key of its own in each line. */
const MOST_UNREAD = 20;
/** And so could a list whose columns are all kept. */
const MOST_KEPT = 1000;

/** Reads path, class, split and kept texts out of the rows of one list, and knows what was not read. */
export class RowColumns {
  /** Names of the kept columns so far: with `all` those of JSON come as they occur. */
  readonly kept: string[];
  readonly #name: string;
  readonly #columns: ListColumns;
  readonly #unread = new Map<string, number>();
  /** Columns that were named and have not been found yet. */
  readonly #missing: Set<string>;
  /** By the set of keys, which is the same for most rows: which column is which. */
  readonly #roles = new Map<string, Roles>();

  constructor(name: string, columns: ListColumns) {
    const { path, target, split, keep = [] } = columns;
    this.#name = name;
    this.#columns = columns;
    this.kept = keep === 'all' ? [] : [...keep];
    this.#missing = new Set([path, target, split, ...this.kept].filter((one) => one !== undefined));
  }

  /** The column of the paths, where it was named. */
  get pathColumn(): string | undefined {
    return this.#columns.path;
  }

  /** @throws SourceError for a named column that the header does not have, or none that holds paths */
  expectColumns({ header }: ListText): void {
    if (header === undefined) return;
    for (const column of header) this.#missing.delete(column);
    this.#expectNoneMissing(header);
    if (this.#rolesOf(header).path !== undefined) return;
    throw new SourceError(
      `Expected a header with a column of paths in ${this.#name} but found ${header.map(show).join(', ')}.`,
      {
        fix: `Name that column by --path-column; without it one of ${PATH_NAMES.join(', ')} is read.`,
      },
    );
  }

  /** Call it after the last row. @throws SourceError for a named column that no row had */
  expectAllFound(): void {
    this.#expectNoneMissing([...this.#unread.keys()]);
  }

  read({ where, line, cells }: ListRow): LabelledPath {
    if (cells === undefined) return { where, path: line! };
    const names = Object.keys(cells).filter((name) => cells[name] !== undefined);
    const roles = this.#rolesOf(names);
    for (const name of roles.others) this.#note(name);
    const path = roles.path && cells[roles.path];
    if (typeof path !== 'string' || path === '') {
      throw new SourceError(
        `Expected a string "path" (and "target", "label" or "class") in ${where} but found ${show(cells)}.`,
        {
          fix: 'Write it as {"path": "a/1.jpg", "target": "a"}, or name the column by --path-column.',
        },
      );
    }
    // A cell of its own: every object has a "constructor".
    const cellOf = (name: string) => (Object.hasOwn(cells, name) ? textOf(cells[name]) : '');
    const kept = this.kept.length === 0 ? undefined : this.kept.map(cellOf);
    const split = roles.split && textOf(cells[roles.split]);
    return { where, path, target: this.#targetOf(roles, cells, where), split, kept };
  }

  /** One sentence that names what was not read; none where all was. */
  notes(): string[] {
    if (this.#unread.size === 0) return [];
    const columns = [...this.#unread].map(([name, rows]) => `${show(name)} (${rows} rows)`);
    return [
      `Not read of ${this.#name}: the columns ${columns.join(', ')}. --keep-columns carries columns into the table.`,
    ];
  }

  #targetOf({ targets }: Roles, cells: Cells, where: string): string | undefined {
    if (targets.length === 0) return undefined;
    const [first, ...others] = targets.map((name) => cells[name]);
    if (others.some((other) => textOf(other) !== textOf(first))) {
      throw new SourceError(
        `Expected one class in ${where} but found ${targets.join(' and ')} with different values.`,
        { fix: 'Keep the one that is meant, or name it by --target-column.' },
      );
    }
    if (typeof first !== 'object' || first === null) return textOf(first);
    throw new SourceError(
      `Expected a text or a number as class in ${where} but found ${show(first)}.`,
    );
  }

  #rolesOf(names: readonly string[]): Roles {
    const key = names.join('\0');
    let roles = this.#roles.get(key);
    if (roles !== undefined) return roles;
    const { path, target, split, keep, ignoresSplit = false } = this.#columns;
    const usual = (known: readonly string[]) =>
      known.flatMap((one) => names.filter((name) => name.toLowerCase() === one));
    const given = (name: string | undefined, known: readonly string[]) =>
      name === undefined ? usual(known) : names.filter((one) => one === name);
    const [pathColumn] = given(path, PATH_NAMES);
    const [splitColumn] = ignoresSplit ? [] : given(split, SPLIT_NAMES);
    const targets = given(target, TARGET_NAMES);
    const read = new Set([pathColumn, splitColumn, ...targets]);
    const others = names.filter((name) => !read.has(name) && !this.kept.includes(name));
    if (keep === 'all')
      this.kept.push(...others.splice(0).filter((name) => !OWN_NAMES.includes(name)));
    if (this.kept.length > MOST_KEPT) {
      throw new SourceError(
        `Expected at most ${MOST_KEPT} columns in ${this.#name} but found more.`,
        {
          fix: 'Name those that matter by --keep-columns.',
        },
      );
    }
    for (const name of names) this.#missing.delete(name);
    roles = { path: pathColumn, split: splitColumn, targets, others };
    if (this.#roles.size < MOST_KEPT) this.#roles.set(key, roles);
    return roles;
  }

  #note(name: string): void {
    if (!this.#unread.has(name) && this.#unread.size === MOST_UNREAD) return;
    this.#unread.set(name, (this.#unread.get(name) ?? 0) + 1);
  }

  #expectNoneMissing(there: readonly string[]): void {
    const [missing] = this.#missing;
    if (missing === undefined) return;
    throw new SourceError(
      `Expected a column ${show(missing)} in ${this.#name} but found ${there.length === 0 ? 'none' : there.map(show).join(', ')}.`,
      { fix: 'Name the columns as they are written in the list.' },
    );
  }
}

type Cells = NonNullable<ListRow['cells']>;

interface Roles {
  readonly path: string | undefined;
  readonly split: string | undefined;
  readonly targets: readonly string[];
  readonly others: readonly string[];
}

/** A cell as text: null is none, objects are JSON. */
export function textOf(cell: unknown): string {
  if (cell === undefined || cell === null) return '';
  if (typeof cell !== 'object') return String(cell);
  return JSON.stringify(cell, (_, value) => (typeof value === 'bigint' ? String(value) : value));
}
