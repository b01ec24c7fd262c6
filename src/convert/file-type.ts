import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, ModelError } from '../errors.ts';
import {
  explainNoModel,
  JSON_START,
  modelJsonIn,
  NEEDED,
  nameForeignModel,
  readStart,
} from '../model/foreign-model.ts';

export interface ModelFile {
  readonly path: string;
  readonly type: 'hdf5' | 'zip' | 'json';
}

/**
 * What the file is, by its content, as names can be wrong; of a folder, the JSON file in it that describes a model.
 * @throws ModelError when it is missing or no file of a Keras or tfjs model
 */
export async function findModelFile(given: string): Promise<ModelFile> {
  try {
    const path = (await stat(given)).isDirectory() ? await findJson(given) : given;
    const start = await readStart(path);
    if (start.startsWith('\x89HDF\r\n\x1a\n')) return { path, type: 'hdf5' };
    if (JSON_START.test(start)) return { path, type: 'json' };
    const foreign = nameForeignModel(path, start);
    if (foreign === undefined && start.startsWith('PK\x03\x04')) return { path, type: 'zip' };
    const found = start === '' ? 'an empty file' : 'something else';
    throw noModel(path, foreign ?? { found, fix: NEEDED });
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    const reason = errnoOf(cause) === 'ENOENT' ? 'no such file' : (cause as Error).message;
    throw new ModelError(`Expected a Keras file in ${given} but found: ${reason}.`, { cause });
  }
}

async function findJson(dir: string): Promise<string> {
  const json = modelJsonIn(await readdir(dir));
  if (json !== undefined) return join(dir, json);
  throw noModel(
    dir,
    (await explainNoModel(dir)) ?? { found: 'a folder without them', fix: NEEDED },
  );
}

function noModel(path: string, { found, fix }: { found: string; fix: string }): ModelError {
  return new ModelError(
    `Expected a Keras file (HDF5 or .keras) or a tfjs model.json in ${path} but found ${found}.`,
    { fix },
  );
}
