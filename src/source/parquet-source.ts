import { openAsBlob, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
// The libraries are loaded by the first file alone: every command imports this module.
import type { DataType as AnyType, Field, Schema } from 'apache-arrow';
import type { ParquetFile } from 'parquet-wasm';
import { isImg2FeaturesError, SourceError } from '../errors.ts';
import { DecodeError } from '../image/decode-error.ts';
import { readImageFile } from '../image/read-image-file.ts';
import { TARGET_NAMES } from './row-columns.ts';
import { commonFolder, severalFiles } from './several-files.ts';
import { type OriginForm, originOf, type Source, type SourceEntry } from './source.ts';

/** Row groups kept in memory: rows are read in their order, and those that are fetched ahead may be in the next one. */
const KEPT_GROUPS = 2;
/** A row group is decoded whole, in WebAssembly's 4 GiB. */
const MOST_GROUP_BYTES = 1 << 30;
/** Digits of a row in origins: their order as text is the order of the rows. */
const ROW_DIGITS = 9;

const IMAGE_NAMES = ['image', 'img', 'picture', 'photo', 'jpg', 'png', 'bytes', 'content'];
const LABEL_NAMES = [...TARGET_NAMES, 'cls'];

/** Whether an input is a Parquet file, or several written with braces or `*`. */
export function isParquetName(input: string): boolean {
  return /\.parquet$/i.test(input);
}

/**
 * Images in columns of Parquet files, as Hugging Face's `datasets` stores them: a struct `{ bytes, path }`, or binary; without
 * bytes the path is read, which begins at the file's folder. The
 * class is the label column's: the name that the file's metadata gives to its number (ClassLabel), else its value. An
 * origin is the file's name, `#` and the row. Row groups are read one after the other.
 */
export function openParquetSource(
  input: string,
  { originForm }: { readonly originForm: OriginForm },
): Source {
  const given = severalFiles(input);
  const front = commonFolder(input);
  const notes: string[] = [];
  const groups = new Map<string, Promise<Rows>>();

  return {
    input,
    // The decode workers do not read Parquet.
    isLocal: false,
    async *list(signal) {
      for (const name of given) {
        signal.throwIfAborted();
        yield* await listFile(name);
      }
    },
    async read({ location, version }) {
      const [mtime, group, row] = version.split(' ');
      const path = location.slice(0, location.lastIndexOf('#'));
      const found = (await rowsOf(path, mtime, Number(group)))(Number(row));
      if (typeof found === 'string')
        return readImageFile(resolve(dirname(path), found), Number.POSITIVE_INFINITY);
      if (found !== undefined) return found;
      const message =
        'Expected the bytes of an image in the row, or its path, but found neither (null).';
      throw new DecodeError('empty_file', message);
    },
    notes: () => notes,
  };

  async function listFile(name: string) {
    const path = resolve(name);
    const { file, mtime } = await openFile(path);
    try {
      const columns = await findColumns(file, path);
      const groupsOfFile = rowGroups(file, columns.bytes, path);
      const labels =
        columns.label === undefined ? undefined : await readColumn(file, columns.label);
      if (columns.others.length > 0 && name === given[0]) {
        notes.push(`Not read of ${name}: the columns ${columns.others.join(', ')}.`);
      }
      const entries: { kind: 'image'; entry: SourceEntry }[] = [];
      for (const { group, rows, meanBytes } of groupsOfFile) {
        for (let row = 0; row < rows; row++) {
          const number = entries.length;
          const label = labels?.get(number);
          const at = `#${String(number).padStart(ROW_DIGITS, '0')}`;
          const relative = given.length > 1 ? name.slice(front.length) : basename(name);
          const origin =
            originForm === 'relative'
              ? relative + at
              : originOf(originForm, { input: name, relative: '', path }) + at;
          const target = label === undefined ? basename(dirname(path)) : columns.className(label);
          // How long each image is, only its bytes say.
          const size = meanBytes;
          const version = `${mtime} ${group} ${row}`;
          const entry = { origin, target, location: `${path}${at}`, size, version };
          entries.push({ kind: 'image', entry });
        }
      }
      return entries;
    } catch (error) {
      throw isImg2FeaturesError(error) ? error : unreadable(path, error);
    } finally {
      file.free();
    }
  }

  function rowsOf(path: string, mtime: string, group: number): Promise<Rows> {
    const key = `${path} ${group}`;
    const known = groups.get(key) ?? readGroup(path, mtime, group);
    groups.delete(key);
    groups.set(key, known); // the last one used is the last one to go
    if (groups.size > KEPT_GROUPS) groups.delete(groups.keys().next().value!);
    return known;
  }
}

/** The image of a row in a row group: its bytes or, where `datasets` has not stored them, the path of its file. */
type Rows = (row: number) => Uint8Array | string | undefined;

interface Columns {
  /** With dots between a struct's name and its field's. */
  readonly bytes: string;
  readonly label: string | undefined;
  className(label: unknown): string;
  readonly others: readonly string[];
}

async function openFile(path: string): Promise<{ file: ParquetFile; mtime: string }> {
  try {
    const { mtimeMs } = statSync(path);
    const { ParquetFile } = await import('parquet-wasm');
    return { file: await ParquetFile.fromFile(await openAsBlob(path)), mtime: String(mtimeMs) };
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function readGroup(path: string, mtime: string, group: number): Promise<Rows> {
  const { file, mtime: now } = await openFile(path);
  try {
    if (now !== mtime) {
      const message = 'Expected the Parquet file as it was listed but found it changed since.';
      throw new DecodeError('changed', message);
    }
    const { tableFromIPC } = await import('apache-arrow');
    const { bytes } = await findColumns(file, path);
    const [name, field] = bytes.split('.');
    const table = await file.read({ columns: [name], rowGroups: [group] });
    const column = tableFromIPC(table.intoIPCStream()).getChild(name)!;
    const content = field === undefined ? column : column.getChild(field)!;
    const paths = field === undefined ? undefined : column.getChild('path');
    return (row) => content.get(row) ?? paths?.get(row) ?? undefined;
  } finally {
    file.free();
  }
}

async function readColumn(file: ParquetFile, name: string) {
  const { tableFromIPC } = await import('apache-arrow');
  const read = tableFromIPC((await file.read({ columns: [name] })).intoIPCStream());
  return read.getChild(name)!;
}

function rowGroups(file: ParquetFile, bytes: string, path: string) {
  const metadata = file.metadata();
  return Array.from({ length: metadata.numRowGroups() }, (_, group) => {
    const found = metadata.rowGroup(group);
    const rows = found.numRows();
    const column = Array.from({ length: found.numColumns() }, (_, i) => found.column(i)).find(
      (one) => one.columnPath().join('.') === bytes,
    )!;
    const size = column.uncompressedSize();
    if (size > MOST_GROUP_BYTES) {
      throw new SourceError(
        `Expected row groups of at most 1 GiB of images in ${path} but found one of ${size} bytes.`,
        { fix: 'Write it with fewer rows in a group: row_group_size=100 is what datasets uses.' },
      );
    }
    return { group, rows, meanBytes: rows === 0 ? 0 : Math.round(size / rows) };
  });
}

/** @throws SourceError where no column has images, or several have */
async function findColumns(file: ParquetFile, path: string): Promise<Columns> {
  const { DataType, tableFromIPC } = await import('apache-arrow');
  const bytesPath = (field: Field) => pathOfBytes(field, DataType);
  const schema: Schema = tableFromIPC(file.schema().intoIPCStream()).schema;
  const features = featuresOf(file);
  const images = schema.fields.filter((field) => bytesPath(field) !== undefined);
  const marked = images.filter(({ name }) => features[name]?._type === 'Image');
  const named = IMAGE_NAMES.flatMap((name) => images.filter((field) => field.name === name));
  const image = marked.length > 0 ? marked[0] : images.length === 1 ? images[0] : named[0];
  if (image === undefined || marked.length > 1) {
    const found = images.map(({ name }) => name).join(', ');
    throw new SourceError(
      `Expected one column of images in ${path} but found ${found === '' ? `none among ${schema.fields.map(String).join(', ')}` : `several: ${found}`}.`,
      {
        fix: 'A column of images is binary, or a struct { bytes: binary, path: string }. Write a file that has one of them.',
      },
    );
  }
  const label =
    schema.fields.find(({ name }) => features[name]?._type === 'ClassLabel') ??
    LABEL_NAMES.flatMap((name) => schema.fields.filter((field) => field.name === name))[0];
  const names = label && features[label.name]?.names;
  return {
    bytes: bytesPath(image)!,
    label: label?.name,
    className: (value) => (Array.isArray(names) && names[Number(value)]) || String(value),
    others: schema.fields
      .map(({ name }) => name)
      .filter((name) => name !== image.name && name !== label?.name),
  };
}

function pathOfBytes({ name, type }: Field, DataType: typeof AnyType): string | undefined {
  const isBinary = (one: AnyType) => DataType.isBinary(one) || DataType.isLargeBinary(one);
  if (isBinary(type)) return name;
  if (!DataType.isStruct(type)) return undefined;
  return type.children.some((field) => field.name === 'bytes' && isBinary(field.type))
    ? `${name}.bytes`
    : undefined;
}

interface Feature {
  readonly _type?: string;
  readonly names?: readonly string[];
}

/** What `datasets` writes of its columns; nothing where another program wrote the file. */
function featuresOf(file: ParquetFile): Readonly<Record<string, Feature | undefined>> {
  try {
    const text = file.metadata().fileMetadata().keyValueMetadata().get('huggingface');
    return JSON.parse(text).info?.features ?? {};
  } catch {
    return {};
  }
}

function unreadable(path: string, error: unknown): SourceError {
  return new SourceError(
    `Expected a Parquet file at ${path} but found: ${error instanceof Error ? error.message : String(error)}`,
    { fix: 'Check its name, and that pyarrow or DuckDB can read it.', cause: error },
  );
}
