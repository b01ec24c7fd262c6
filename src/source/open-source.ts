import { type Stats, statSync } from 'node:fs';
import { extname } from 'node:path';
import { errnoOf, SourceError } from '../errors.ts';
import { openFileSource } from './file-source.ts';
import { openFolderSource } from './folder-source.ts';
import { openListSource } from './list-source.ts';
import type { OriginForm } from './origin.ts';
import type { Source } from './source.ts';

const LIST_EXTENSIONS = new Set(['.txt', '.lst', '.list', '.jsonl', '.ndjson', '.json']);

/**
 * Opens what the user named: a folder, a list of paths (by its extension), or one image.
 * @throws SourceError when there is nothing of that name.
 */
export function openSource(input: string, options: { originForm: OriginForm }): Source {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(input)?.[1];
  if (scheme !== undefined) {
    throw new SourceError(
      `Expected a folder, an image or a list as input but found ${scheme}://.`,
      {
        fix: 'Stores are not read yet: copy the images to a disk, or name a folder.',
      },
    );
  }
  const stats = statInput(input);
  if (stats.isDirectory()) return openFolderSource(input, options);
  if (LIST_EXTENSIONS.has(extname(input).toLowerCase())) return openListSource(input, options);
  return openFileSource(input, options);
}

function statInput(input: string): Stats {
  try {
    return statSync(input);
  } catch (error) {
    const code = errnoOf(error);
    throw new SourceError(
      `Expected the input to exist but found ${code === 'ENOENT' ? 'nothing' : `an error (${code})`} at ${input}.`,
      {
        fix: 'Give a folder such as dataset/, one image, or a list of paths (.txt, .jsonl).',
        cause: error,
      },
    );
  }
}
