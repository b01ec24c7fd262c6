import { ExportError, errnoOf } from '../errors.ts';

const CAUSES: Record<string, { found: string; fix: string }> = {
  ENOSPC: {
    found: 'a full disk',
    fix: 'Free space or choose another --out, then run the same command again: it goes on from here.',
  },
  EDQUOT: {
    found: 'a used-up disk quota',
    fix: 'Free space or raise the quota, then run the same command again: it goes on from here.',
  },
  EFBIG: {
    found: 'a limit on the size of files',
    fix: 'Raise the limit (ulimit -f), then run the same command again: it goes on from here.',
  },
  EROFS: { found: 'a read-only file system', fix: 'Choose an --out that can be written.' },
  EACCES: { found: 'no permission', fix: 'Grant write permission there or choose another --out.' },
  EPERM: { found: 'no permission', fix: 'Grant write permission there or choose another --out.' },
  EIO: {
    found: 'an input/output error of the device',
    fix: 'Check the disk (dmesg), then run the same command again: it goes on from here.',
  },
  ENOTDIR: { found: 'a file where a folder should be', fix: 'Choose another --out.' },
  ENOENT: {
    found: 'that it was removed during the run',
    fix: 'Keep --out in place while a run is on, then run the same command again.',
  },
};

/** Turns a failure of the file system into one ExportError: what was written, where, and what to do. */
export function storageError(error: unknown, what: string, path: string): ExportError {
  if (error instanceof ExportError) return error;
  const code = errnoOf(error);
  const known = code === undefined ? undefined : CAUSES[code];
  const found = known?.found ?? (error instanceof Error ? error.message : String(error));
  return new ExportError(
    `Expected to write ${what} to ${path} but found ${found}${code && known ? ` (${code})` : ''}.`,
    { cause: error, ...(known && { fix: known.fix }) },
  );
}
