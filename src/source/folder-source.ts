import { accessSync, constants, type Dirent, readdirSync, type Stats, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { errnoOf, SourceError } from '../errors.ts';
import { fileState } from './file-state.ts';
import { isImageName } from './image-extensions.ts';
import type { OriginForm } from './origin.ts';
import { originOf } from './origin.ts';
import type { Listed, Source, SourceEntry } from './source.ts';

export interface FolderSourceOptions {
  readonly originForm: OriginForm;
}

/**
 * Every image below a folder. Links are followed; a folder that is reached again through a link is
 * listed once, under its own path, so that loops end (the link counts as ignored). Names starting
 * with a dot are skipped; files without an image extension are ignored and counted.
 */
export function openFolderSource(input: string, options: FolderSourceOptions): Source {
  const root = resolve(input);
  const rootPrefix = root.endsWith(sep) ? root : root + sep;
  /** The folder itself, not its name: an unmounted disk leaves an empty folder behind. */
  const listed = idOf(root);

  return {
    input,
    isLocal: true,
    async *list(signal) {
      const seen = new Set<string>();
      // Paths below the root still to list. Real folders come first, links to folders when no real
      // one is left: which of two paths names a folder must not depend on the order of a listing.
      const pending: Pending = { folders: [''], links: [] };
      for (;;) {
        signal.throwIfAborted();
        const relative = pending.folders.pop() ?? pending.links.shift();
        if (relative === undefined) return;
        const dir = join(root, relative);
        if (!markVisited(dir, seen)) {
          yield {
            kind: 'ignored',
            origin: originOf(options.originForm, { input, relative, path: dir }),
          };
          continue;
        }
        for (const dirent of readFolder(dir, relative === '')) {
          yield* listOne(dirent, relative, pending);
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
        { fix: 'Bring it back (is its disk mounted?): the same command goes on where it stopped.' },
      );
    },
  };

  function* listOne(
    dirent: Dirent<Buffer>,
    folder: string,
    pending: Pending,
  ): Generator<Listed, void> {
    const name = dirent.name.toString('utf8');
    if (name.startsWith('.')) return;
    // A name has no separators, and both folders are normal: joining them takes no more than this.
    const relative = folder === '' ? name : folder + sep + name;
    const path = rootPrefix + relative;
    const origin = originOf(options.originForm, { input, relative, path });
    if (!Buffer.from(name, 'utf8').equals(dirent.name)) {
      const shown = join(
        folder,
        dirent.name.toString('latin1').replace(/[^\x20-\x7e]/g, escapeByte),
      );
      yield rejected(
        originOf(options.originForm, { input, relative: shown, path: join(root, shown) }),
        'name_not_utf8',
        'Expected a file name in UTF-8 but found other bytes (shown as \\x..); rename it.',
      );
      return;
    }
    const looksLikeImage = isImageName(name);
    // stat follows links; for plain folders the directory entry is enough.
    const stats = dirent.isDirectory() ? undefined : statOrReason(path);
    if (stats === undefined || (typeof stats !== 'string' && stats.isDirectory())) {
      (dirent.isDirectory() ? pending.folders : pending.links).push(relative);
      if (looksLikeImage) {
        yield rejected(
          origin,
          'not_a_file',
          'Expected an image file but found a folder of that name (its images are listed).',
        );
      }
    } else if (!looksLikeImage) {
      yield { kind: 'ignored', origin };
    } else if (typeof stats === 'string') {
      yield stats === 'ENOENT' || stats === 'ELOOP'
        ? rejected(origin, 'broken_link', 'Expected a file but the link leads nowhere.')
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

interface Pending {
  readonly folders: string[];
  readonly links: string[];
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

function rejected(
  origin: string,
  reason: 'name_not_utf8' | 'not_a_file' | 'broken_link' | 'unreadable',
  message: string,
): Listed {
  return { kind: 'rejected', rejection: { origin, reason, message } };
}

function escapeByte(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** False when this folder was listed before, through another path. */
function markVisited(dir: string, seen: Set<string>): boolean {
  const id = idOf(dir);
  if (id === undefined) return true; // readFolder reports it
  if (seen.has(id)) return false;
  seen.add(id);
  return true;
}

function statOrReason(path: string): Stats | string {
  try {
    return statSync(path);
  } catch (error) {
    return errnoOf(error) ?? 'unknown error';
  }
}

/** A folder that cannot be read is fatal: skipping it would lose its images in silence. */
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
