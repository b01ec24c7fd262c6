import { accessSync, constants, readdirSync, type Stats, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { errnoOf, SourceError } from '../errors.ts';
import { nativeJpeg } from '../image/jpeg/direct-decoder.ts';
import { isImageName, NameRule } from '../options/name-rule.ts';
import {
  type FileStats,
  fileState,
  type Listed,
  type OriginForm,
  originOf,
  rejected,
  type Source,
  type SourceEntry,
  shownName,
} from './source.ts';

export interface FolderSourceOptions {
  readonly originForm: OriginForm;
  readonly names?: NameRule;
}

/**
 * Every image below a folder whose name `names` accepts; all others are counted. Links are followed: a folder
 * is listed under every path that leads to it, but a link to a folder above itself is not followed.
 */
export function openFolderSource(
  input: string,
  { originForm, names = new NameRule() }: FolderSourceOptions,
): Source {
  const root = resolve(input);
  const rootPrefix = root.endsWith(sep) ? root : root + sep;
  /** The folder itself, not its name: an unmounted disk leaves an empty folder. */
  const listed = idOf(root);

  return {
    input,
    isLocal: true,
    extensions: names.extensions,
    async *list(signal) {
      const pending: Folder[] = [{ path: '', above: undefined }];
      for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
        signal.throwIfAborted();
        const dir = join(root, folder.path);
        const id = idOf(dir);
        if (isAbove(id, folder.above)) {
          yield { kind: 'skipped', why: 'link to a folder above it' };
          continue;
        }
        const above = { id, above: folder.above };
        for (const entry of readFolder(dir, folder.path === '')) {
          yield* listOne(entry, folder.path, (path) => pending.push({ path, above }));
        }
        await nextTurn();
      }
    },
    read: (entry: SourceEntry) => readFile(entry.location),
    expectThere() {
      const now = idOf(root);
      if (now !== undefined && now === listed && isReadable(root)) return;
      throw new SourceError(
        `Expected the input ${input} for the whole run but found ${now === undefined ? 'it gone' : now === listed ? 'that it may not be read any more' : 'another folder in its place'}.`,
        { fix: 'Bring it back (is its disk mounted?): the same command resumes where it stopped.' },
      );
    },
  };

  function* listOne(
    { name, bytes, kind, stats: listedStats }: FolderEntry,
    folder: string,
    enter: (path: string) => void,
  ): Generator<Listed, void> {
    // A name has no separators, and both folders are normal: joining them takes no more than this.
    const relative = folder === '' ? name : folder + sep + name;
    const path = rootPrefix + relative;
    const below = sep === '/' ? relative : relative.replaceAll(sep, '/');
    // Only of a link the listing does not say what it is.
    const linked = kind === 'link' ? statOrReason(path) : undefined;
    const isFolder = kind === 'folder' || (typeof linked === 'object' && linked.isDirectory());
    const why = isFolder ? names.whyNotFolder(below) : names.whyNotFile(below);
    if (why !== undefined) {
      yield { kind: 'skipped', why };
      return;
    }
    const origin = originOf(originForm, { input, relative, path });
    if (bytes !== undefined) {
      const shown = join(folder, shownName(bytes));
      yield rejected(
        originOf(originForm, { input, relative: shown, path: join(root, shown) }),
        'name_not_utf8',
        'Expected a file name in UTF-8 but found other bytes (shown as \\x..); rename it.',
      );
      return;
    }
    if (isFolder) {
      enter(relative);
      if (isImageName(name)) {
        yield rejected(
          origin,
          'not_a_file',
          'Expected an image file but found a folder of that name (its images are listed).',
        );
      }
      return;
    }
    const target = basename(rootPrefix + folder);
    if (listedStats !== undefined) {
      yield { kind: 'image', entry: { origin, target, location: path, ...fileState(listedStats) } };
      return;
    }
    const stats = linked ?? statOrReason(path);
    if (typeof stats === 'string') {
      yield stats === 'ENOENT' || stats === 'ELOOP'
        ? rejected(origin, 'broken_link', 'Expected a file but found a link to nothing.')
        : rejected(
            origin,
            'unreadable',
            `Expected a readable file but its listing failed (${stats}).`,
          );
    } else if (!stats.isFile()) {
      yield rejected(origin, 'not_a_file', 'Expected a regular file but found a device or pipe.');
    } else {
      yield { kind: 'image', entry: { origin, target, location: path, ...fileState(stats) } };
    }
  }
}

/** A folder to list: its path below the root, and the folders that it was reached through. */
interface Folder {
  readonly path: string;
  readonly above: Chain | undefined;
}

interface Chain {
  readonly id: string | undefined;
  readonly above: Chain | undefined;
}

function isAbove(id: string | undefined, above: Chain | undefined): boolean {
  for (let one = above; one !== undefined; one = one.above) {
    if (one.id === id && id !== undefined) return true;
  }
  return false;
}

function idOf(path: string): string | undefined {
  const stats = statOrReason(path);
  return typeof stats === 'string' ? undefined : `${stats.dev}:${stats.ino}`;
}

function isReadable(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function statOrReason(path: string): Stats | string {
  try {
    return statSync(path);
  } catch (error) {
    return errnoOf(error) ?? 'unknown error';
  }
}

interface FolderEntry {
  readonly name: string;
  /** The name's own bytes, where they are not UTF-8. */
  readonly bytes?: Buffer | undefined;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** Of a file, where the listing gave them. */
  readonly stats?: FileStats;
}

const KINDS = ['file', 'folder', 'link', 'other'] as const;

/** The entries with the state of each file, by one native call: in JavaScript they take several times as long. */
function readFolderAtOnce(dir: string): FolderEntry[] | undefined {
  const found = nativeJpeg()?.listFolder(dir);
  // Such a name may be one that is not UTF-8.
  if (found === undefined || found.names.some((name) => name.includes('\ufffd'))) return undefined;
  const { names, kinds, states } = found;
  return names.map((name, i) => {
    const kind = KINDS[kinds[i]];
    if (kind !== 'file') return { name, kind };
    const [size, mtimeMs, ctimeMs, ino] = states.subarray(4 * i, 4 * i + 4);
    return { name, kind, stats: { size, mtimeMs, ctimeMs, ino } };
  });
}

/** A folder that cannot be read is fatal: skipping it would silently lose its images. */
function readFolder(dir: string, isRoot: boolean): FolderEntry[] {
  const entries = readFolderAtOnce(dir);
  if (entries !== undefined) return entries;
  try {
    const dirents = readdirSync(dir, { withFileTypes: true, encoding: 'buffer' });
    return dirents
      .sort((a, b) => Buffer.compare(a.name, b.name))
      .map((dirent) => {
        const name = dirent.name.toString('utf8');
        const isText = Buffer.from(name, 'utf8').equals(dirent.name);
        const kind = dirent.isSymbolicLink() ? 'link' : dirent.isDirectory() ? 'folder' : 'other';
        return { name, bytes: isText ? undefined : dirent.name, kind };
      });
  } catch (error) {
    const code = errnoOf(error);
    const what = isRoot ? 'the input' : 'a folder inside the input';
    throw new SourceError(
      `Expected ${what} to be a readable folder but listing ${dir} failed (${code ?? error}).`,
      {
        fix:
          code === 'EACCES'
            ? 'Give this user read and search permission on the folder, or leave it out of the input.'
            : 'Check that the folder exists and that its disk is mounted.',
        cause: error,
      },
    );
  }
}
