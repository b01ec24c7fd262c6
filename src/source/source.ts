import type { Stats } from 'node:fs';
import osPath, { type PlatformPath } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RejectReason } from '../image/decode-error.ts';
import type { ListedFile } from '../image/decoded-chunk.ts';

/** One discovered image: what the listing knows about it, no body. */
export interface SourceEntry {
  /** Unique in the run; the `origin` column. Rows are sorted by its UTF-8 bytes. */
  readonly origin: string;
  /** Class: the name of the folder that holds the image; the `target` column. */
  readonly target: string;
  /** Absolute path on disk, or the object key in a store. */
  readonly location: string;
  /** Size in bytes. */
  readonly size: number;
  /** Changes when the content does: modification time in ms for files, ETag for objects. */
  readonly version: string;
  /**
   * Of a file its change time and inode: they change with another content of the same size and modification time, and with
   * less (a new mode, a copy). So they are no part of the list's identity; absent for objects.
   */
  readonly stamp?: string | undefined;
  /** The part of the data set that the image is in, as its list or folder says; the `split` column. */
  readonly split?: string | undefined;
  /** Texts of the kept columns, in the order of the source's `keptColumns`; empty where a row has none. */
  readonly kept?: readonly string[] | undefined;
}

/** Found by the listing, but known to give no row before it is read (a broken link, a bad name). */
export interface ListingRejection {
  readonly origin: string;
  readonly reason: RejectReason;
  readonly message: string;
}

export type Listed =
  | { readonly kind: 'image'; readonly entry: SourceEntry }
  | { readonly kind: 'rejected'; readonly rejection: ListingRejection }
  /** A file that is no image by its name, or a folder that is not listed: counted by why, never an error. */
  | { readonly kind: 'skipped'; readonly why: string };

export function rejected(origin: string, reason: RejectReason, message: string): Listed {
  return { kind: 'rejected', rejection: { origin, reason, message } };
}

/** A name that is no UTF-8, for messages: bytes outside ASCII as \x.. */
export function shownName(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** As the decode workers take it. */
export interface PartOfFile {
  /** Absolute. */
  readonly path: string;
  readonly listed: ListedFile;
}

/** Where images come from. */
export interface Source {
  /** As the user wrote it. */
  readonly input: string;
  /** True when the images are in files that the decode workers can open themselves: at `location`, or where `fileOf` says. */
  readonly isLocal: boolean;
  /** Where they are in a store: reading one waits for an answer. */
  readonly isInStore?: boolean;
  /** Of an image that is part of a file: that file, and the part; undefined where it has to be read by `read`. */
  fileOf?(entry: SourceEntry): PartOfFile | undefined;
  /** Which extensions are read, for people; undefined where every name was given by the user. */
  readonly extensions?: string;
  /** Everything found, in no particular order. */
  list(signal: AbortSignal): AsyncIterable<Listed>;
  /** Names of the columns that entries bring as `kept`, once the list was read. */
  readonly keptColumns?: readonly string[];
  /** What the user should know of the listing, once it was read. */
  notes?(): readonly string[];
  /**
   * The whole body of one image; used where workers cannot open it.
   * @throws DecodeError when this one image is missing or has changed; SourceError when the store fails
   */
  read(entry: SourceEntry, signal: AbortSignal): Promise<Uint8Array>;
  /**
   * Called when an image cannot be read any more: is it that image, or the whole input?
   * @throws SourceError when the input as a whole is missing
   */
  expectThere?(): void;
  /** Ends idle connections. */
  close?(): Promise<void>;
}

export type FileStats = Pick<Stats, 'size' | 'mtimeMs' | 'ctimeMs' | 'ino'>;

/** What the listing keeps of a file, to recognise it later. */
export function fileState(stats: FileStats): Pick<SourceEntry, 'size' | 'version' | 'stamp'> {
  const { size, mtimeMs, ctimeMs, ino } = stats;
  return { size, version: String(mtimeMs), stamp: `${ctimeMs} ${ino}` };
}

/**
 * How `origin` is written: `path` = the input as given joined with the rest, `relative` = without the
 * input, `url` = file:///…, percent-encoded (what Spark's image source gives).
 */
export type OriginForm = 'path' | 'relative' | 'url';

interface FoundPath {
  /** The input as the user wrote it. */
  readonly input: string;
  /** Path below the input; empty when the input is the image itself. */
  readonly relative: string;
  /** Absolute path. */
  readonly path: string;
}

/** @param os the rules for paths of this system; a test gives those of Windows */
export function originOf(
  form: OriginForm,
  { input, relative, path }: FoundPath,
  os: Pick<PlatformPath, 'join' | 'normalize' | 'sep'> = osPath,
): string {
  if (form === 'url') return pathToFileURL(path).href;
  // A plain "." or "./" in front has no meaning; everything else stays as the user wrote it.
  const whole =
    relative === ''
      ? input
      : form === 'relative'
        ? relative
        : os.join(os.normalize(input), relative);
  // The table is the same on every system, and parts such as "train" are found in it; Windows reads both.
  return os.sep === '/' ? whole : whole.replaceAll(os.sep, '/');
}
