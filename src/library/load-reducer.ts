import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, OptionError, RunError } from '../errors.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { readReducerFile } from '../reduce/reducer-file.ts';
import { readIntact } from '../run/intact-files.ts';
import { readNamedRun } from '../run/run-json.ts';
import { FolderStore } from '../storage/folder-store.ts';

/**
 * The scaler and PCA of a finished run.
 * @param path the run's `out` on a disk, or its reducer.npz
 * @param output name of the output ("pixels", or the layer) where the run has several
 * @throws RunError when there is none, the run is not complete or the file is not the one that it wrote; OptionError for an output that it lacks
 * @example
 * const reducer = await loadReducer('features');
 * reducer.transform(vector, 1); // Float64Array(k)
 */
export async function loadReducer(path: string, output?: string): Promise<Reducer> {
  const reducers = readReducerFile(await readBytes(path));
  const names = [...reducers.keys()];
  const name = output ?? names[0];
  const reducer = reducers.get(name);
  if (reducer === undefined || (output === undefined && names.length > 1)) {
    throw new OptionError(
      `Expected one of ${names.join(', ')} as the output but received ${output ?? 'none'}.`,
    );
  }
  return reducer;
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    if (!(await stat(path)).isDirectory()) return await readFile(path);
    if (!existsSync(join(path, 'run.json'))) return await readFile(join(path, 'reducer.npz'));
    const store = FolderStore.forReading(path);
    const { files } = await readNamedRun(store, 'loadReducer', { hasReducer: true });
    return await readIntact(store, files.find(({ name }) => name === 'reducer.npz')!);
  } catch (cause) {
    if (cause instanceof RunError) throw cause;
    throw new RunError(
      `Expected a finished run or a reducer.npz at ${path} but found none (${errnoOf(cause)}).`,
      { fix: 'Name the --out of a run with --k above 0.', cause },
    );
  }
}
