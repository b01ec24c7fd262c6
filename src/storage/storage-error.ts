import { ExportError, errnoOf } from '../errors.ts';

const CAUSES: Record<string, { found: string; fix: (option: string) => string }> = {
  ENOSPC: {
    found: 'a full disk',
    fix: (option) =>
      `Free space or choose another ${option}, then run the same command again: it resumes from here.`,
  },
  EDQUOT: {
    found: 'a used-up disk quota',
    fix: () =>
      'Free space or raise the quota, then run the same command again: it resumes from here.',
  },
  EFBIG: {
    found: 'a limit on the size of files',
    fix: () =>
      'Raise the limit (ulimit -f), then run the same command again: it resumes from here.',
  },
  EROFS: {
    found: 'a read-only file system',
    fix: (option) => `Choose another ${option}, which can be written.`,
  },
  EACCES: { found: 'no permission', fix: grant },
  EPERM: { found: 'no permission', fix: grant },
  EIO: {
    found: 'an input/output error of the device',
    fix: () => 'Check the disk (dmesg), then run the same command again: it resumes from here.',
  },
  ENOTDIR: {
    found: 'a file where a folder should be',
    fix: (option) => `Choose another ${option}.`,
  },
  ENOENT: {
    found: 'that it was removed during the run, or cannot be made there',
    fix: (option) =>
      `Keep ${option} in place during a run, on a disk that can be written, then run the same command again.`,
  },
};

function grant(option: string): string {
  return `Grant write permission there or choose another ${option}.`;
}

/** Turns a failure of the file system into one ExportError: what was written, where, and what to do. */
export function storageError(error: unknown, what: string, path: string): ExportError {
  if (error instanceof ExportError) return error;
  const code = errnoOf(error);
  const known = code === undefined ? undefined : CAUSES[code];
  const found = known?.found ?? (error instanceof Error ? error.message : String(error));
  return new ExportError(
    `Expected to write ${what} to ${path} but found ${found}${code && known ? ` (${code})` : ''}.`,
    { cause: error, ...(known && { fix: known.fix(optionOf(path)) }) },
  );
}

/** State that is kept elsewhere than in --out is in a folder named by a hash: see pipeline/work-folder.ts. */
function optionOf(path: string): '--out' | '--work-dir' {
  return /[\\/][0-9a-f]{16}(?:[\\/]|$)/.test(path) ? '--work-dir' : '--out';
}

/** The same for what a command writes to stdout. */
export function answerError(cause: Error): ExportError {
  return new ExportError(`Expected to write the answer to stdout but found ${cause.message}.`, {
    fix: 'Write it where there is free space. Files that the command made stay.',
    cause,
  });
}
