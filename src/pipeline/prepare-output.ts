import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { OptionError } from '../errors.ts';
import { type ExtractOptions, FORMAT_NAMES } from '../options/extract-options.ts';
import { RunStore } from '../run/run-store.ts';
import { folderKey, isS3Url, parseS3Url } from '../s3/s3-address.ts';
import type { OutputStore } from '../storage/output-store.ts';

/** Every name that a run can publish; no other file in the output is ever changed or removed. */
const TOP_FILES = ['run.json', 'rejected.jsonl', 'reducer.npz', 'report.html', 'findings.jsonl'];
const PART_FOLDERS = FORMAT_NAMES;
/** Where a job keeps its stored shards for `merge`. */
export const JOB_FOLDER = 'job';
const JOB_NAME = /^(\d{5,}\.(bin|json)|manifest\.jsonl)$/;
const PART_NAME = /^(part-\d{5,}\.[a-z]+|features\.csv|index\.jsonl|(cnn_)?vectors[\w.-]*\.npy)$/;

/**
 * Refuses to replace a table that no run of this output began. Called before a run's state is written: once
 * it is, the output counts as its own.
 * @throws OptionError when there is such a table.
 */
export async function refuseForeignTable(output: OutputStore): Promise<void> {
  const [found] = await publishedNames(output);
  if (found === undefined) return;
  throw new OptionError(
    `Expected an output without a table for --out but found ${found} in ${output.target}.`,
    { fix: 'Name another folder, or give --overwrite to replace that table.' },
  );
}

/**
 * Refuses an output with files of others among the parts of a table: readers of `parquet/` read all files in it, except
 * names that begin with a dot or an underscore. Only a run's own files are ever moved or removed.
 * @throws OptionError
 */
export async function refuseForeignFiles(output: OutputStore): Promise<void> {
  for (const folder of PART_FOLDERS) {
    const names = await output.list(folder);
    const foreign = names.find((name) => !PART_NAME.test(name) && !/^[._]/.test(name));
    if (foreign === undefined) continue;
    throw new OptionError(
      `Expected only parts of a table in ${folder}/ of ${output.target} but found ${foreign}, which readers would take for one.`,
      {
        fix: 'Move that file away, or name another --out; --overwrite removes only what a run wrote.',
      },
    );
  }
}

/**
 * Refuses an output in the folder or prefix of the images, also through links: readers of that folder
 * would take the output for one. A run that was begun there before is resumed.
 * @throws OptionError
 */
export async function refuseOutputInInput(
  { input, out }: Pick<ExtractOptions, 'input' | 'out'>,
  workDir: string,
): Promise<void> {
  const isInside = isS3Url(input) ? isPrefixOf(input, out) : holdsFolder(input, out);
  if (!isInside || (await RunStore.isIn(workDir).catch(() => true))) return;
  throw new OptionError(
    `Expected --out outside the input ${input} but found ${out}, where readers of the images would also read the table.`,
    { fix: 'Name a folder beside the input, such as ../features.' },
  );
}

function isPrefixOf(input: string, out: string): boolean {
  if (!isS3Url(out)) return false;
  const [from, to] = [parseS3Url(input), parseS3Url(out)];
  return from.bucket === to.bucket && folderKey(to.key).startsWith(folderKey(from.key));
}

function holdsFolder(input: string, out: string): boolean {
  if (isS3Url(out)) return false;
  const way = relative(realPath(resolve(input)), realPath(resolve(out)));
  return !isAbsolute(way) && way.split(sep)[0] !== '..';
}

/** With every link resolved; of what is not there yet, those of the folders above it. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realPath(above), basename(path));
  }
}

/**
 * Removes an earlier output. `_SUCCESS` is removed first, so that nobody takes what is being replaced
 * for complete.
 *
 * @param replaced files that stay until new ones overwrite them
 */
export async function clearOutput(
  output: OutputStore,
  replaced: ReadonlySet<string> = new Set(),
): Promise<void> {
  for (const name of await publishedNames(output)) {
    if (!replaced.has(name)) await output.remove(name);
  }
}

/** The files of a run's output that exist, `_SUCCESS` first. */
export async function publishedNames(output: OutputStore): Promise<string[]> {
  const top = await output.list('');
  const names = ['_SUCCESS', ...TOP_FILES].filter((name) => top.includes(name));
  for (const folder of [...PART_FOLDERS, JOB_FOLDER]) {
    const own = folder === JOB_FOLDER ? JOB_NAME : PART_NAME;
    const parts = (await output.list(folder)).filter((name) => own.test(name));
    names.push(...parts.map((name) => `${folder}/${name}`));
  }
  return names;
}
