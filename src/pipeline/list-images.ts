import { SourceError } from '../errors.ts';
import type { RunEvent } from '../events.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { NameRule } from '../options/name-rule.ts';
import { type Manifest, ManifestBuilder } from '../run/manifest.ts';
import { s3OptionsOf } from '../s3/s3-options.ts';
import type { LabelOptions } from '../source/labelled-source.ts';
import type { S3SourceOptions } from '../source/s3-source.ts';
import { countSkipped, describeSkipped, type Skipped } from '../source/skipped.ts';
import type { Source } from '../source/source.ts';

export interface ListImagesOptions {
  readonly limit: number | undefined;
  readonly signal: AbortSignal;
  /** Gets what was found, and each image that the listing had to reject. */
  readonly onEvent?: (event: RunEvent) => void;
}

/** How the options ask for images. */
export function sourceOptions(options: ExtractOptions): S3SourceOptions & LabelOptions {
  const { origin, extensions, exclude, labels, split } = options;
  const { pathColumn, targetColumn, splitColumn, keepColumns } = options;
  const names = new NameRule(extensions, exclude);
  return {
    ...{ originForm: origin, s3: s3OptionsOf(options), names },
    labels,
    columns: {
      path: pathColumn,
      target: targetColumn,
      split: splitColumn,
      keep: keepColumns,
      ignoresSplit: split !== undefined,
    },
    splitFromFolders: split === 'folders',
  };
}

/**
 * Reads the whole listing of a source (names and sizes, no bodies) and freezes it in row order.
 * @throws SourceError where nothing was found
 */
export async function listImages(
  source: Source,
  { limit, signal, onEvent = () => {} }: ListImagesOptions,
): Promise<Manifest> {
  const builder = new ManifestBuilder();
  for await (const listed of source.list(signal)) builder.add(listed);
  const manifest = builder.freeze(limit, source.keptColumns);
  const { count, bytes, rejections, skipped } = manifest;
  const rejected = rejections.length;
  if (count + rejected === 0) throw nothingFound(source, skipped);
  const ignored = countSkipped(skipped);
  onEvent({ event: 'listed', images: count, rejected, ignored, skipped, bytes });
  for (const message of source.notes?.() ?? []) onEvent({ event: 'note', message });
  for (const rejection of rejections) onEvent({ event: 'rejected', ...rejection });
  return manifest;
}

function nothingFound({ input, extensions }: Source, skipped: Skipped): SourceError {
  const others = countSkipped(skipped) > 0 ? ` (${describeSkipped(skipped)})` : '';
  return new SourceError(`Expected images in ${input} but found none${others}.`, {
    fix:
      extensions === undefined
        ? 'Name at least one image in it, one a line.'
        : `Name the folder that holds them. Read are the extensions ${extensions}: others by --extensions jpg,dat (none: without one), every file by --extensions any; --exclude '!.name' reads a folder that is skipped. Archives are named themselves: 'shards/{000..127}.tar'.`,
  });
}
