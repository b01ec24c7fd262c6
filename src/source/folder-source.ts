import { accessSync, constants, type Dirent, readdirSync, type Stats, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { errnoOf, SourceError } from '../errors.ts';
import { isImageName, NameRule } from '../options/name-rule.ts';
import {
  fileState,
  type Listed,
  type OriginForm,
  originOf,
  rejected,
  type Source,
  type SourceEntry,
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
        for (const dirent of readFolder(dir, folder.path === '')) {
          yield* listOne(dirent, folder.path, (path) => pending.push({ path, above }));
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
    dirent: Dirent<Buffer>,
    folder: string,
    enter: (path: string) => void,
  ): Generator<Listed, void> {
    const name = dirent.name.toString('utf8');
    // A name has no separators, and both folders are normal: joining them takes no more than this.
    const relative = folder === '' ? name : folder + sep + name;
    const path = rootPrefix + relative;
    const below = sep === '/' ? relative : relative.replaceAll(sep, '/');
    // Only of a link the listing does not say what it is.
    const linked = dirent.isSymbolicLink() ? statOrReason(path) : undefined;
    const isFolder = dirent.isDirectory() || (typeof linked === 'object' && linked.isDirectory());
    const why = isFolder ? names.whyNotFolder(below) : names.whyNotFile(below);
    if (why !== undefined) {
      yield { kind: 'skipped', why };
      return;
    }
    const origin = originOf(originForm, { input, relative, path });
    if (!Buffer.from(name, 'utf8').equals(dirent.name)) {
      const shown = join(
        folder,
        dirent.name.toString('latin1').replace(/[^\x20-\x7e]/g, escapeByte),
      );
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
      const target = basename(rootPrefix + folder);
      yield {
        kind: 'image',
        entry: { origin, target, location: path, ...fileState(stats) },
      };
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

function escapeByte(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

function statOrReason(path: string): Stats | string {
  try {
    return statSync(path);
  } catch (error) {
    return errnoOf(error) ?? 'unknown error';
  }
}

/** A folder that cannot be read is fatal: skipping it would silently lose its images. */
function readFolder(dir: string, isRoot: boolean): Dirent<Buffer>[] {
  try {
    const dirents = readdirSync(dir, { withFileTypes: true, encoding: 'buffer' });
    return dirents.sort((a, b) => Buffer.compare(a.name, b.name));
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
