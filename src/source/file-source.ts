import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { fileState } from './file-state.ts';
import type { OriginForm } from './origin.ts';
import { originOf } from './origin.ts';
import type { Source, SourceEntry } from './source.ts';

/** One image given by name: a table of one row. */
export function openFileSource(input: string, options: { originForm: OriginForm }): Source {
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
