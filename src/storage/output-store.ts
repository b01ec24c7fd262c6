import type { RunEvent } from '../events.ts';
import type { S3Options } from '../s3/s3-options.ts';

export interface OpenOutputOptions {
  readonly s3: S3Options;
  readonly signal: AbortSignal;
  readonly onEvent?: (event: RunEvent) => void;
  /** No file is visible before `_SUCCESS` is; a store in S3 is always so. */
  readonly isHeld?: boolean;
}

/** Where files of a run go: a folder, or an S3 prefix (which shows files only together with `_SUCCESS`). */
export interface OutputStore {
  /** As the user wrote it. */
  readonly target: string;
  /** Opens `name` ("parquet/part-00000.parquet") for writing; invisible under that name until commit. */
  create(name: string): Promise<OutputFile>;
  /** Names of all files in `folder` ("parquet", or "" for the top), without the folder, sorted. */
  list(folder: string): Promise<string[]>;
  /** The bytes of a committed file. @throws ExportError when there is none */
  read(name: string): AsyncIterable<Uint8Array>;
  /** Removes a committed file; does nothing when there is none. */
  remove(name: string): Promise<void>;
  /** Removes what is not committed, and closes idle connections. */
  close?(): Promise<void>;
}

/** One file being written. Exactly one of `commit` and `abort` ends it. */
export interface OutputFile {
  /** Resolves once the bytes were taken: the caller may reuse the buffer then, not before. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the file durable and visible under its name, whole. */
  commit(): Promise<WrittenFile>;
  /** Removes what was written; safe to call after a failure, and more than once. */
  abort(): Promise<void>;
}

export interface WrittenFile {
  readonly name: string;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}
