import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** One file of the archive. */
export interface ArchiveEntry {
  /** Inside the archive, with "/" between its parts. */
  readonly path: string;
  readonly isExecutable: boolean;
  readonly source: { readonly file: string } | { readonly bytes: Uint8Array };
  readonly size: number;
}

export function fileEntry(file: string, path: string): ArchiveEntry {
  const { mode, size } = statSync(file);
  return { path, isExecutable: (mode & 0o100) !== 0, source: { file }, size };
}

export function textEntry(text: string, path: string, isExecutable = false): ArchiveEntry {
  const bytes = Buffer.from(text);
  return { path, isExecutable, source: { bytes }, size: bytes.length };
}

/**
 * All files below a folder; links to files count as the files.
 * @param isWanted gets each path below the folder, of folders too: unwanted folders are not listed
 */
export function folderEntries(
  folder: string,
  path: string,
  isWanted: (relative: string) => boolean = () => true,
): ArchiveEntry[] {
  const below = (relative: string): ArchiveEntry[] =>
    readdirSync(join(folder, relative)).flatMap((name) => {
      const inner = relative === '' ? name : `${relative}/${name}`;
      if (!isWanted(inner)) return [];
      const file = join(folder, inner);
      return statSync(file).isDirectory() ? below(inner) : [fileEntry(file, `${path}/${inner}`)];
    });
  return below('');
}
