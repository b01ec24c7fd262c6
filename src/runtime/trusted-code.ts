/**
 * Who could have changed what is about to be loaded. Code from a file that others may write, or whose folder they may
 * replace, would run with this user's rights: every folder above it counts, through links too.
 */
import { lstatSync, readdirSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { dirname, join, parse, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errnoOf, RuntimeError } from '../errors.ts';
import { makeFolder } from '../files/make-folder.ts';

interface Distrusted {
  readonly path: string;
  readonly why: string;
  readonly fix: string;
}

/**
 * Trusted are this user, root, and the owner of this program, whose code runs here anyway. Folders with the sticky bit
 * (/tmp) may be written by all: nobody can replace files of others there. System folders are root's.
 *
 * @param path a file, or a folder with all that is in it; a missing one is not checked
 * @throws RuntimeError that names the file or folder and what to do
 */
export function expectTrusted(path: string): void {
  refuse(path, findDistrusted(path));
}

function refuse(path: string, found: Distrusted | undefined): void {
  if (found === undefined) return;
  throw new RuntimeError(
    `Expected code that only you or root can change in ${path} but found ${found.path}, ${found.why}; nothing is loaded from there.`,
    { fix: found.fix },
  );
}

/** The same as an answer. */
export function isTrusted(path: string): boolean {
  return findDistrusted(path) === undefined;
}

/** Makes a folder for code that others cannot write, with those above it that are missing. @throws RuntimeError where others may write there */
export function makePrivateFolder(path: string): void {
  makeFolder(path, 0o700);
  refuse(path, process.geteuid === undefined ? undefined : checkPath(resolve(path), 0).found);
}

function findDistrusted(path: string): Distrusted | undefined {
  // Windows has neither these owners nor these modes; its profile folders are the user's.
  if (process.geteuid === undefined) return undefined;
  const { found, real, isClosed } = checkPath(resolve(path), 0);
  return found ?? (real === undefined ? undefined : checkBelow(real, isClosed));
}

interface CheckedPath {
  readonly found?: Distrusted | undefined;
  /** The real path, with every link followed; undefined where nothing is there. */
  readonly real?: string;
  /** True where others cannot enter a folder on the path: what they could write below it, they cannot reach. */
  readonly isClosed: boolean;
}

function checkPath(path: string, links: number): CheckedPath {
  const { root } = parse(path);
  const parts = path.slice(root.length).split(sep).filter(Boolean);
  let real = root;
  let isClosed = false;
  for (let i = 0; i <= parts.length; i++) {
    const stats = statsOf(real);
    if (stats === undefined) return { isClosed };
    const found = checkOwner(real, stats, isClosed);
    if (found !== undefined) return { found, isClosed };
    if (stats.isSymbolicLink()) {
      const target = resolve(dirname(real), readlinkSync(real), ...parts.slice(i));
      return links < MAX_LINKS ? checkPath(target, links + 1) : { isClosed };
    }
    isClosed ||= stats.isDirectory() && (stats.mode & 0o011) === 0;
    if (i < parts.length) real = join(real, parts[i]);
  }
  return { real, isClosed };
}

const MAX_LINKS = 40;

function checkBelow(folder: string, isClosed: boolean): Distrusted | undefined {
  if (!statsOf(folder)?.isDirectory()) return undefined;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink()) {
      const { found } = checkPath(path, 0);
      if (found !== undefined) return found;
      continue;
    }
    const stats = statsOf(path);
    const found =
      (stats && checkOwner(path, stats, isClosed)) ??
      (entry.isDirectory() ? checkBelow(path, isClosed) : undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

function checkOwner(path: string, stats: Stats, isClosed: boolean): Distrusted | undefined {
  const uid = process.geteuid!();
  if (!trustedOwners().has(stats.uid)) {
    return {
      path,
      why: `which belongs to user ${stats.uid} (this is user ${uid})`,
      fix: `Set IMG2FEATURES_CACHE to a folder of your own, then run \`img2features setup\`; a container can be started with --user ${stats.uid} instead.`,
    };
  }
  if (isClosed || stats.isSymbolicLink()) return undefined;
  const isSticky = stats.isDirectory() && (stats.mode & 0o1000) !== 0;
  // With one group for each user, which has the user's number, umask 002 gives it nothing.
  const isOwnGroup = stats.gid === stats.uid;
  const writable = stats.mode & (isOwnGroup ? 0o002 : 0o022);
  if (writable === 0 || isSticky) return undefined;
  return {
    path,
    why: `which others may write (mode ${(stats.mode & 0o7777).toString(8).padStart(4, '0')})`,
    fix: `Run \`chmod go-w ${path}\`, then \`img2features setup --force\`, as what is there may have been changed; or set IMG2FEATURES_CACHE to a folder of your own.`,
  };
}

let owners: ReadonlySet<number> | undefined;

function trustedOwners(): ReadonlySet<number> {
  owners ??= new Set([process.geteuid!(), 0, statSync(fileURLToPath(import.meta.url)).uid]);
  return owners;
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
