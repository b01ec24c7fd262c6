import { stat } from 'node:fs/promises';
import { errnoOf, ModelError } from '../errors.ts';
import { nameForeignModel, ONLY_KERAS, readStart } from '../model/foreign-model.ts';

export type FileType = 'hdf5' | 'zip';

const NEEDED = 'Give a Keras .h5, .weights.h5 or .keras file.';

/** Files that people give by mistake, by their first bytes, and what to do about it. */
const STRANGERS: readonly (readonly [start: string, what: string, fix: string])[] = [
  ['\xff\xd8\xff', 'a JPEG image', NEEDED],
  ['\x89PNG', 'a PNG image', NEEDED],
  ['version https://git-lfs', 'a Git LFS pointer', 'Fetch the file itself: git lfs pull.'],
  [
    '<',
    'an HTML or XML page',
    'The server sent a page in place of the file: download the file again.',
  ],
  ['{', 'a JSON file', 'A tfjs model.json needs no conversion: give its folder as --model.'],
  ['\x1f\x8b', 'a gzip file', 'Unpack it first.'],
];

/**
 * What the file is, by its content, as names can be wrong.
 * @throws ModelError when it is missing or neither HDF5 nor a zip archive
 */
export async function detectFileType(path: string): Promise<FileType> {
  const start = await startOf(path);
  if (start.startsWith('\x89HDF\r\n\x1a\n')) return 'hdf5';
  const foreign = nameForeignModel(path, start);
  if (foreign !== undefined) throw wrongFile(path, foreign, ONLY_KERAS);
  if (start.startsWith('PK\x03\x04')) return 'zip';
  const stranger = STRANGERS.find(([bytes]) => start.startsWith(bytes));
  const found = start === '' ? 'an empty file' : (stranger?.[1] ?? 'something else');
  throw wrongFile(path, found, stranger?.[2] ?? NEEDED);
}

function wrongFile(path: string, found: string, fix: string): ModelError {
  return new ModelError(`Expected a Keras file (HDF5 or .keras) in ${path} but found ${found}.`, {
    fix,
  });
}

async function startOf(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) {
      throw new ModelError(`Expected a Keras file in ${path} but found a folder.`, {
        fix: 'A TensorFlow SavedModel must be saved again by Keras: model.save("model.keras").',
      });
    }
    return await readStart(path);
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    const reason = errnoOf(cause) === 'ENOENT' ? 'no such file' : (cause as Error).message;
    throw new ModelError(`Expected a Keras file in ${path} but found: ${reason}.`, { cause });
  }
}
