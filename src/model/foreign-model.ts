import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Other files that people give as a model, by its first bytes or, where those are not known, by its name. */
const FOREIGN: readonly (readonly [what: string, name: RegExp, at?: number, bytes?: string])[] = [
  ['a PyTorch file', /\.(pth|pt|ckpt)$/i, 0, '\x80\x02'],
  ['an ONNX file', /\.onnx$/i],
  ['a TensorFlow Lite file', /\.tflite$/i, 4, 'TFL3'],
  ['a safetensors file', /\.safetensors$/i],
  ['a TensorFlow graph', /\.pb$/i],
];

const KERAS_FILE = /\.(h5|hdf5|keras)$/i;

export const ONLY_KERAS =
  'Only Keras models can be used: rebuild the network in Keras and save it (model.save("model.keras")), ' +
  'or take the official weights of one that is known: img2features model fetch vgg16.';

/** @param start the file's first bytes as Latin-1 */
export function nameForeignModel(path: string, start: string): string | undefined {
  const isOne = ([, name, at, bytes]: (typeof FOREIGN)[number]) =>
    name.test(path) || (bytes !== undefined && start.startsWith(bytes, at));
  return FOREIGN.find(isOne)?.[0];
}

/** The first 64 bytes as Latin-1. */
export async function readStart(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** What is where a model folder was expected and what to do with it; undefined where nothing is known of it. */
export async function explainNoModel(
  path: string,
): Promise<{ readonly found: string; readonly fix: string } | undefined> {
  if ((await stat(path).catch(() => undefined))?.isFile()) return explainFile(path);
  const names = await readdir(path).catch(() => []);
  const keras = names.find((name) => KERAS_FILE.test(name));
  if (keras !== undefined)
    return { found: `a folder with ${keras}`, fix: convert(join(path, keras)) };
  const foreign = names.find((name) => nameForeignModel(name, '') !== undefined);
  if (foreign === undefined) return undefined;
  const what = nameForeignModel(foreign, '');
  return { found: `a folder with ${foreign}, ${what}`, fix: ONLY_KERAS };
}

async function explainFile(path: string) {
  const start = await readStart(path).catch(() => '');
  if (start.startsWith('\x89HDF') || KERAS_FILE.test(path)) {
    return { found: 'a Keras file', fix: convert(path) };
  }
  const what = nameForeignModel(path, start);
  if (what !== undefined) return { found: what, fix: ONLY_KERAS };
  return { found: 'a file', fix: 'Give the folder that holds model.json and its weights.' };
}

function convert(file: string): string {
  return `Convert it: img2features model convert ${file} --out models/mine; then give --model models/mine.`;
}
