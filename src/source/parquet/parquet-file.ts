// The libraries are loaded by the first file alone: every command imports this module.
import type { Vector } from 'apache-arrow';
import type { ParquetFile } from 'parquet-wasm';
import { isImg2FeaturesError, SourceError } from '../../errors.ts';
import type { ArchiveBytes, Archives } from '../archive/archive-bytes.ts';
import { findColumns, type ParquetColumns } from './parquet-columns.ts';

/** A row group is decoded whole, in WebAssembly's 4 GiB. */
const MOST_GROUP_BYTES = 1 << 30;

/** A column's value in a row; null or undefined where it has none. */
export type Cell = (row: number) => unknown;

/** One Parquet file on a disk or in a store: its end is read once, of the rest the columns and row groups that are asked for. */
export class OpenParquet {
  readonly columns: ParquetColumns;
  readonly #path: string;
  readonly #bytes: ArchiveBytes;
  readonly #ranges: FileRanges;
  readonly #file: ParquetFile;
  #reads = 0;
  #isClosed = false;

  /** @throws SourceError where it is not there, or no such file */
  static async open(
    path: string,
    {
      files,
      wanted,
    }: { readonly files: Archives; readonly wanted: Parameters<typeof findColumns>[2] },
    signal: AbortSignal,
  ): Promise<OpenParquet> {
    const bytes = await files.open(path, signal);
    const ranges = new FileRanges(bytes, signal);
    try {
      const file = await ranges.attempt(path, async () => {
        const { ParquetFile } = await import('parquet-wasm');
        return ParquetFile.fromFile(ranges as unknown as Blob);
      });
      const columns = await ranges.attempt(path, () => findColumns(file, path, wanted));
      return new OpenParquet(path, bytes, ranges, file, columns);
    } catch (error) {
      bytes.close();
      throw error;
    }
  }

  private constructor(
    path: string,
    bytes: ArchiveBytes,
    ranges: FileRanges,
    file: ParquetFile,
    columns: ParquetColumns,
  ) {
    this.#path = path;
    this.#bytes = bytes;
    this.#ranges = ranges;
    this.#file = file;
    this.columns = columns;
  }

  /** Changes when the file does. */
  get version(): string {
    return this.#bytes.version;
  }

  /** Rows of each row group, and the mean size of their images. @throws SourceError for a group that is too large */
  rowGroups(): { readonly rows: number; readonly meanBytes: number }[] {
    const metadata = this.#file.metadata();
    return Array.from({ length: metadata.numRowGroups() }, (_, group) => {
      const found = metadata.rowGroup(group);
      const rows = found.numRows();
      const column = Array.from({ length: found.numColumns() }, (_, i) => found.column(i)).find(
        (one) => one.columnPath().join('.') === this.columns.bytes,
      )!;
      const size = column.uncompressedSize();
      if (size > MOST_GROUP_BYTES) {
        throw new SourceError(
          `Expected row groups of at most 1 GiB of images in ${this.#path} but found one of ${size} bytes.`,
          { fix: 'Write it with fewer rows in a group: row_group_size=100 is what datasets uses.' },
        );
      }
      return { rows, meanBytes: rows === 0 ? 0 : Math.round(size / rows) };
    });
  }

  /**
   * Columns by name, with dots between a struct's name and its field's.
   * @param group one row group; all of them where it is undefined
   */
  async read(names: readonly string[], signal: AbortSignal, group?: number): Promise<Cell[]> {
    if (names.length === 0) return [];
    this.#ranges.signal = signal;
    this.#reads++;
    const reading = this.#ranges.attempt(this.#path, async () => {
      const { tableFromIPC } = await import('apache-arrow');
      const options = { columns: [...names], ...(group !== undefined && { rowGroups: [group] }) };
      return tableFromIPC((await this.#file.read(options)).intoIPCStream());
    });
    const table = await reading.finally(() => {
      this.#reads--;
      this.#freeUnused();
    });
    return names.map((name) => {
      const [column, ...fields] = isField(table.schema, name) ? [name] : name.split('.');
      const vector = fields.reduce(
        (outer: Vector, field) => outer.getChild(field)!,
        table.getChild(column)! as Vector,
      );
      return (row) => vector.get(row);
    });
  }

  /** Once what is being read has been read. */
  close(): void {
    this.#isClosed = true;
    this.#freeUnused();
  }

  #freeUnused(): void {
    if (!this.#isClosed || this.#reads > 0) return;
    this.#file.free();
    this.#bytes.close();
  }
}

function isField(
  { fields }: { readonly fields: readonly { readonly name: string }[] },
  name: string,
) {
  return fields.some((field) => field.name === name);
}

/** The part of a Blob that parquet-wasm calls, on ranges of a file or object. */
class FileRanges {
  readonly size: number;
  /** Of the request that is being answered. */
  signal: AbortSignal;
  readonly #bytes: ArchiveBytes;
  /** What a range failed with: it is text when it comes back out of WebAssembly. */
  #failure: unknown;

  constructor(bytes: ArchiveBytes, signal: AbortSignal) {
    this.size = bytes.size;
    this.signal = signal;
    this.#bytes = bytes;
  }

  slice(from: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> } {
    const arrayBuffer = async () => {
      try {
        const { buffer, byteOffset, length } = await this.#bytes.peek(
          from,
          end - from,
          this.signal,
        );
        if (buffer instanceof ArrayBuffer && buffer.byteLength === length) return buffer;
        return buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer;
      } catch (error) {
        this.#failure = error;
        throw error;
      }
    };
    return { arrayBuffer };
  }

  /** @throws what a range failed with; else SourceError for a file that is no Parquet */
  async attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
    this.#failure = undefined;
    try {
      return await work();
    } catch (error) {
      if (this.#failure !== undefined) throw this.#failure;
      if (isImg2FeaturesError(error)) throw error;
      throw new SourceError(
        `Expected a Parquet file at ${path} but found: ${error instanceof Error ? error.message : String(error)}`,
        { fix: 'Check that pyarrow or DuckDB can read it.', cause: error },
      );
    }
  }
}
