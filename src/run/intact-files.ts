import { createHash } from 'node:crypto';
import { RunError } from '../errors.ts';
import type { OutputStore, WrittenFile } from '../storage/output-store.ts';

/** A file's bytes, returned only after their SHA-256 was checked. @throws RunError */
export async function readIntact(output: OutputStore, file: WrittenFile): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of checkedPieces(output, file)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The same without holding the file, for readers that read it again. @throws RunError */
export async function expectIntact(output: OutputStore, file: WrittenFile): Promise<void> {
  for await (const _ of checkedPieces(output, file));
}

/** A run's files for a reader of tables: nothing of a file is given out before its hash was found to be the run's. */
export function intactFiles(output: OutputStore, files: readonly WrittenFile[]) {
  const find = (name: string) => {
    const file = files.find((one) => one.name === name);
    if (file === undefined) throw notListed(output, name);
    return file;
  };
  return {
    whole: (name: string) => readIntact(output, find(name)),
    async *stream(name: string): AsyncGenerator<Uint8Array> {
      await expectIntact(output, find(name));
      yield* output.read(name);
    },
  };
}

/**
 * Checks a finished table against its run.json before it is called complete: every file is there and, on a disk, has the
 * bytes that the run wrote. A store keeps checksums of its own, and reading a whole table back from it costs money.
 *
 * @throws RunError for the first file that is not
 */
export async function expectIntactFiles(
  output: OutputStore,
  files: readonly WrittenFile[],
  { isLocal }: { readonly isLocal: boolean },
): Promise<void> {
  const listed = new Map<string, readonly string[]>();
  // The two files of the report can be made again, and are not part of the table.
  for (const file of files.filter(({ name }) => !REPORT_FILES.includes(name))) {
    const [base, folder = ''] = file.name.split('/').reverse() as [string, string?];
    if (!listed.has(folder)) listed.set(folder, await output.list(folder));
    if (!listed.get(folder)!.includes(base)) throw notIntact(output, file, 'none');
    if (isLocal) await expectIntact(output, file);
  }
}

export const REPORT_FILES: readonly string[] = ['findings.jsonl', 'report.html'];

/** Throws after the last piece where the bytes were not those of the file. */
async function* checkedPieces(output: OutputStore, file: WrittenFile): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const piece of output.read(file.name)) {
    hash.update(piece);
    yield piece;
  }
  if (hash.digest('hex') !== file.sha256) throw notIntact(output, file, 'another');
}

function notIntact(output: OutputStore, { name }: WrittenFile, found: string): RunError {
  return new RunError(
    `Expected ${name} of ${output.target} with the SHA-256 in its run.json but found ${found}; nothing of it is used.`,
    { fix: 'Restore that file, or compute that table again with --overwrite.' },
  );
}

function notListed({ target }: OutputStore, name: string): RunError {
  return new RunError(`Expected ${name} in run.json of ${target} but found no such file.`, {
    fix: 'Restore run.json, or compute that table again with --overwrite.',
  });
}
