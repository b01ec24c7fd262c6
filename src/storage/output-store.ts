import { ExportError } from '../errors.ts';
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
  /** Where a committed file is on this machine's disk; absent in a store. */
  localPath?(name: string): string;
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

/** Writes a small file. @throws ExportError; nothing is left of it then */
export async function writeWhole(
  store: OutputStore,
  name: string,
  bytes: Uint8Array,
): Promise<WrittenFile> {
  return writeAll(await store.create(name), [bytes]);
}

/** Writes pieces into a file that was just begun, and ends it. @throws ExportError; nothing is left of it then */
export async function writeAll(
  file: OutputFile,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<WrittenFile> {
  try {
    for await (const piece of pieces) await file.write(piece);
    return await file.commit();
  } catch (error) {
    await file.abort();
    throw error;
  }
}

/** The bytes of a small committed file. @throws ExportError when there is none, or it is larger than `mostBytes` */
export async function readWhole(
  store: OutputStore,
  name: string,
  mostBytes = Number.POSITIVE_INFINITY,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of store.read(name)) {
    bytes += piece.byteLength;
    if (bytes > mostBytes) {
      throw new ExportError(
        `Expected at most ${mostBytes} bytes in ${name} of ${store.target} but found more.`,
        { fix: 'The file is damaged: restore it.' },
      );
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** The parts of a file's name. They are the run's own, never an image's; even so none may lead out of the output. @throws ExportError */
export function partsInside(target: string, name: string): string[] {
  const parts = name.split('/');
  const isInside = parts.every(
    (part) => part !== '' && part !== '.' && part !== '..' && !/[\\\0:]/.test(part),
  );
  if (isInside) return parts;
  throw new ExportError(`Expected a name inside ${target} but found ${JSON.stringify(name)}.`);
}
