/** What a file is that is no model folder: named by its first bytes or, where they do not say it, by its name. */
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface Finding {
  readonly found: string;
  /** What to do about it. */
  readonly fix: string;
}

interface Kind extends Finding {
  /** Whether a file that begins so, as Latin-1, is one. */
  readonly start?: (start: string) => boolean;
  readonly name?: RegExp;
}

export const NEEDED = 'Give a Keras .h5, .weights.h5 or .keras file, or a tfjs model.json.';

const ONLY_KERAS =
  'Only Keras models can be used: rebuild the network in Keras and save it (model.save("model.keras")), ' +
  'or take the official weights of one that is known: img2features model fetch vgg16.';

const KINDS: readonly Kind[] = [
  {
    found: 'a Git LFS pointer',
    start: begins('version https://git-lfs'),
    fix: 'Fetch the file itself: git lfs pull.',
  },
  { found: 'a PyTorch file', start: zipWith(/^[^/]+\/(data\.pkl|\.)/), fix: ONLY_KERAS },
  { found: 'a PyTorch file', start: begins('\x80\x02'), name: /\.(pth?|ckpt)$/i, fix: ONLY_KERAS },
  {
    found: 'a NumPy archive (.npz)',
    start: zipWith(/^[\w./:-]+\.npy/),
    name: /\.npz$/i,
    fix: ONLY_KERAS,
  },
  { found: 'a NumPy array', start: begins('\x93NUMPY'), name: /\.npy$/i, fix: ONLY_KERAS },
  { found: 'an ONNX file', start: isOnnx, name: /\.onnx$/i, fix: ONLY_KERAS },
  {
    found: 'a TensorFlow Lite file',
    start: begins('TFL3', 4),
    name: /\.(tf)?lite$/i,
    fix: ONLY_KERAS,
  },
  // 8 bytes: the length of the JSON that follows.
  {
    found: 'a safetensors file',
    start: begins('\0\0\0\0{', 4),
    name: /\.safetensors$/i,
    fix: ONLY_KERAS,
  },
  {
    found: 'a TensorFlow SavedModel',
    start: begins('\x08\x01\x12'),
    name: /(^|[/\\])(saved_model|keras_metadata)\.pb$/i,
    fix: 'Load it in Keras 2 (tf_keras.models.load_model) and save it again: model.save("model.keras").',
  },
  {
    found: 'a frozen TensorFlow graph',
    start: isFrozenGraph,
    name: /\.pb(txt)?$/i,
    fix: ONLY_KERAS,
  },
  {
    found: 'a TensorFlow checkpoint',
    name: /\.(index|data-\d{5}-of-\d{5})$/i,
    fix: 'Build the network in Keras, load the checkpoint (model.load_weights) and save it: model.save("model.keras").',
  },
  { found: 'a JPEG image', start: begins('\xff\xd8\xff'), fix: NEEDED },
  { found: 'a PNG image', start: begins('\x89PNG'), fix: NEEDED },
  {
    found: 'an HTML or XML page',
    start: begins('<'),
    fix: 'The server sent a page in place of the file: download the file again.',
  },
  { found: 'a gzip file', start: begins('\x1f\x8b'), fix: 'Unpack it first.' },
];

function begins(text: string, at = 0): (start: string) => boolean {
  return (start) => start.startsWith(text, at);
}

/** The first member's name follows 30 bytes of a zip. */
function zipWith(firstMember: RegExp): (start: string) => boolean {
  return (start) => start.startsWith('PK\x03\x04') && firstMember.test(start.slice(30));
}

/** A ModelProto: its version, from 3 on, then who made it or the graph. */
function isOnnx(start: string): boolean {
  const version = start.charCodeAt(1);
  return start[0] === '\x08' && version >= 3 && version < 32 && '\x12:'.includes(start[2] ?? ' ');
}

/** A GraphDef: a node, which begins with its name; then its operation. */
function isFrozenGraph(start: string): boolean {
  const name = start.indexOf('\n', 2);
  const operation = start.charCodeAt(name + 1) + name + 2;
  return start[0] === '\n' && name <= 3 && start[operation] === '\x12';
}

/** With the byte-order mark of UTF-8 that some editors write. */
export const JSON_START = /^(\xef\xbb\xbf)?\s*\{/;

const KERAS_FILE = /\.(h5|hdf5|keras)$/i;

/** @param start the file's first bytes as Latin-1; "" where they are not known */
export function nameForeignModel(path: string, start: string): Finding | undefined {
  return KINDS.find((kind) => kind.start?.(start)) ?? KINDS.find((kind) => kind.name?.test(path));
}

/** The first 128 bytes as Latin-1. */
export async function readStart(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(128), 0, 128, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The JSON of a model in a folder that `model convert` takes. */
export function modelJsonIn(names: readonly string[]): string | undefined {
  if (names.includes('model.json')) return 'model.json';
  // A .keras file that was unpacked, as browsers do with what is a zip.
  return names.includes('config.json') && names.includes('model.weights.h5')
    ? 'config.json'
    : undefined;
}

/** What is where a model was expected and what to do with it; undefined where nothing is known of it. */
export async function explainNoModel(path: string): Promise<Finding | undefined> {
  if ((await stat(path).catch(() => undefined))?.isFile()) return explainFile(path);
  const names = await readdir(path).catch(() => []);
  if (modelJsonIn(names) === 'config.json') {
    return { found: 'an unpacked .keras file', fix: convertFirst(path) };
  }
  const file = names.find((name) => KERAS_FILE.test(name)) ?? tfjsFileIn(names);
  if (file !== undefined)
    return { found: `a folder with ${file}`, fix: convertFirst(join(path, file)) };
  for (const kind of KINDS) {
    const name = names.find((one) => kind.name?.test(one));
    if (name !== undefined) return { found: `a folder with ${name}, ${kind.found}`, fix: kind.fix };
  }
  return undefined;
}

/** `model.save('downloads://net')` of tfjs writes net.json and net.weights.bin. */
function tfjsFileIn(names: readonly string[]): string | undefined {
  const weights = names.find((name) => name.endsWith('.weights.bin'));
  return names.find((name) => name === weights?.replace(/\.weights\.bin$/, '.json'));
}

async function explainFile(path: string): Promise<Finding> {
  const start = await readStart(path).catch(() => '');
  if (start.startsWith('\x89HDF')) return { found: 'a Keras file', fix: convertFirst(path) };
  if (JSON_START.test(start)) return { found: 'a JSON file', fix: convertFirst(path) };
  const foreign = nameForeignModel(path, start);
  if (foreign !== undefined) return foreign;
  if (KERAS_FILE.test(path)) return { found: 'a Keras file', fix: convertFirst(path) };
  return { found: 'a file', fix: 'Give the folder that holds model.json and its weights.' };
}

/** What to do about a file or folder that has to be converted first. */
export function convertFirst(file: string): string {
  return `Convert it: img2features model convert ${file} --out models/mine; then give --model models/mine.`;
}
