import { type Stats, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { errnoOf, SourceError } from '../errors.ts';
import { isInStore } from '../place.ts';
import { isArchiveName, openArchiveSource } from './archive/archive-source.ts';
import { openFolderSource } from './folder-source.ts';
import { type LabelOptions, openLabelledSource } from './labelled-source.ts';
import { type ListOptions, openListSource } from './list-source.ts';
import { isParquetName, openParquetSource } from './parquet/parquet-source.ts';
import { openS3Source, type S3SourceOptions } from './s3-source.ts';
import { fileState, type OriginForm, originOf, type Source, type SourceEntry } from './source.ts';

const LIST_EXTENSIONS = new Set('.txt .lst .list .jsonl .ndjson .json .csv .tsv'.split(' '));

/**
 * Opens what the user named: a folder, archives, Parquet files or a list of images (by their extension; `-`: on standard input), one image,
 * or a store. With the labels that `options` name.
 * @throws SourceError when there is nothing of that name.
 */
export function openSource(input: string, options: S3SourceOptions & LabelOptions): Source {
  // With labels beside the images, the named columns are those of the labels.
  const columns = options.labels === undefined ? options.columns : undefined;
  return openLabelledSource(openInput(input, { ...options, columns }), options);
}

function openInput(input: string, options: ListOptions): Source {
  if (isArchiveName(input) && !isFolder(input)) return openArchiveSource(input, options);
  if (isParquetName(input) && !isFolder(input)) {
    return openParquetSource(input, options);
  }
  if (isInStore(input, 'the input')) return openS3Source(input, options);
  if (input === '-') return openListSource(input, options);
  const stats = statInput(input);
  if (stats.isDirectory()) return openFolderSource(input, options);
  const extension = extname(input).toLowerCase();
  // A pipe, as <(find …) and /dev/stdin are, holds a list.
  const isPiped = stats.isFIFO() || stats.isCharacterDevice() || input === '/dev/stdin';
  if (isPiped || LIST_EXTENSIONS.has(extension)) return openListSource(input, options);
  return openFileSource(input, options);
}

/** A folder may be named like an archive. */
function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function statInput(input: string): Stats {
  try {
    return statSync(input);
  } catch (error) {
    const code = errnoOf(error);
    throw new SourceError(
      `Expected the input to exist but found ${code === 'ENOENT' ? 'nothing' : `an error (${code})`} at ${input}.`,
      {
        fix: 'Give a folder such as dataset/, an archive (.tar, .zip), one image, a list of images (.txt, .csv, .jsonl), or s3://bucket/prefix.',
        cause: error,
      },
    );
  }
}

/** One image given by name: a table of one row. */
function openFileSource(input: string, options: { originForm: OriginForm }): Source {
  return {
    input,
    isLocal: true,
    async *list() {
      const location = resolve(input);
      const state = fileState(statSync(location));
      const origin = originOf(options.originForm, { input, relative: '', path: location });
      const target = basename(dirname(location));
      yield { kind: 'image', entry: { origin, target, location, ...state } };
    },
    read: (entry: SourceEntry) => readFile(entry.location),
  };
}
