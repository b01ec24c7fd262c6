/** The commands that write a model folder: `model convert`, `model fetch`, `model init`. */
import { basename, join, resolve } from 'node:path';
import type { ConvertModelOptions } from '../convert/conversion-plan.ts';
import type { FetchedModel, FetchModelOptions } from '../convert/fetch/fetch-model.ts';
import { isImg2FeaturesError } from '../errors.ts';
import { printable } from '../json.ts';
import { convertModel, fetchModel } from '../library/load-on-call.ts';
import { buildArchitecture } from '../model/architectures/build-architecture.ts';
import { countValues } from '../model/count-values.ts';
import { modelDirOf } from '../model/find-model-folder.ts';
import { type InitOptions, initModel } from '../model/init-model.ts';
import type { ModelFolder, ModelMetadata } from '../model/model-folder.ts';
import { readModelFolder } from '../model/read-model-folder.ts';
import { expectPath } from '../place.ts';
import { cacheDir } from '../runtime/cache-dir.ts';
import { formatBytes, formatCount, formatDuration } from '../terminal/units.ts';
import { NOT_TRAINED } from './model-info.ts';

interface WrittenModel {
  readonly dir: string;
  readonly params: number;
  readonly weightBytes: number;
  readonly ms: number;
}

function folderToWrite(given: string | undefined, name: string): string {
  return resolve(expectPath(given ?? join('models', name), '--out'));
}

function formatSize({ params, weightBytes }: WrittenModel): string {
  return `${formatCount(params)} weights, ${formatBytes(weightBytes)}`;
}

interface ModelConvertOptions extends Omit<ConvertModelOptions, 'dir' | 'onNote'> {
  /** Default: models/<name of the file> in the working folder. */
  readonly dir?: string;
}

/** JSON-able: what `--json` prints. */
interface ModelConvertResult extends WrittenModel {
  readonly metadata: ModelMetadata;
  /** What was recognised or decided, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * `img2features model convert <file>`: .h5, .weights.h5, .keras or a tfjs model.json to a model folder.
 * @throws ModelError, OptionError
 */
export async function runModelConvert(options: ModelConvertOptions): Promise<ModelConvertResult> {
  const started = performance.now();
  const notes: string[] = [];
  const dir = folderToWrite(options.dir, modelName(options.file));
  const folder = await convertModel({ ...options, dir, onNote: (note) => notes.push(note) });
  return converted(dir, folder, notes, started);
}

function converted(
  dir: string,
  { metadata, weights }: ModelFolder,
  notes: readonly string[],
  started: number,
): ModelConvertResult {
  const params = countValues(weights);
  const ms = performance.now() - started;
  return { dir, metadata, params, weightBytes: 4 * params, notes, ms };
}

export function formatModelConvert(result: ModelConvertResult): string {
  const { dir, metadata, notes, ms } = result;
  const { architecture, preprocessing, inputSize, source } = metadata;
  const from =
    'file' in source
      ? ` from ${source.file} (${source.format})`
      : source.kind === 'tfjs'
        ? ` from a tfjs model by ${source.by || 'another tool'}`
        : '';
  const what = [
    architecture ?? 'a model of its own',
    formatSize(result),
    `input ${inputSize.join('×')}`,
    `preprocessing ${preprocessing}`,
  ].join(', ');
  const lines = [
    ...notes.map((note) => `Note: ${note}`),
    `Wrote: ${dir}${from}`,
    `       ${what}, in ${formatDuration(ms)}`,
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

/** "vgg16.weights.h5" → "vgg16"; "net/model.json" → "net" */
function modelName(file: string): string {
  return (
    basename(modelDirOf(resolve(file))).replace(/\.(weights\.h5|h5|hdf5|keras|json)$/i, '') ||
    'model'
  );
}

export interface ModelFetchOptions extends Omit<FetchModelOptions, 'dir' | 'cacheDir' | 'onNote'> {
  /** Default: models/<name> in the working folder. */
  readonly dir?: string;
  /** Default: the cache of this user. */
  readonly cacheDir?: string;
}

/** JSON-able: what `--json` prints. */
type ModelFetchResult = ModelConvertResult & Omit<FetchedModel, 'folder'>;

/**
 * `img2features model fetch <name>`: published weights, checked and converted.
 * @throws OptionError, ModelError
 */
export async function runModelFetch(options: ModelFetchOptions): Promise<ModelFetchResult> {
  const started = performance.now();
  const notes: string[] = [];
  const dir = folderToWrite(options.dir, options.name);
  const { folder, ...found } = await fetchModel({
    ...options,
    dir,
    cacheDir: options.cacheDir ?? cacheDir(),
    onNote: (note) => notes.push(note),
  });
  return { ...converted(dir, folder, notes, started), ...found };
}

export function formatModelFetch(result: ModelFetchResult): string {
  const { url, file, wasCached, wasThere, checkedBy, dir } = result;
  if (wasThere) return `${printable(`Already there: ${dir} (from ${url})`)}\n`;
  const verb = wasCached ? 'Already there' : `Fetched ${url}`;
  return `${printable(`${verb}: ${file} (checked by ${checkedBy})`)}\n${formatModelConvert(result)}`;
}

interface ModelInitOptions extends Omit<InitOptions, 'dir'> {
  /** Default: models/<architecture> in the working folder. */
  readonly dir?: string;
}

/** JSON-able: what `--json` prints. */
interface ModelInitResult extends WrittenModel {
  readonly architecture: string;
  readonly seed: number;
  readonly width: number;
  readonly weightsSha256: string;
  readonly trained: false;
  /** True when the very same model was there already and nothing was written. */
  readonly wasThere: boolean;
}

/**
 * `img2features model init <architecture> --seed N`: a model with seeded weights. The same command
 * again finds its own result and writes nothing.
 * @throws OptionError, ModelError
 */
export async function runModelInit(options: ModelInitOptions): Promise<ModelInitResult> {
  const started = performance.now();
  const { architecture, seed, width = 1 } = options;
  const dir = folderToWrite(options.dir, architecture);
  const existing = await findSameModel(dir, options);
  const folder = existing ?? (await initModel({ ...options, dir }));
  const params = countValues(folder.weights);
  return {
    dir,
    architecture,
    seed,
    width,
    params,
    weightBytes: 4 * params,
    weightsSha256: folder.metadata.weightsSha256,
    trained: false,
    wasThere: existing !== undefined,
    ms: performance.now() - started,
  };
}

export function formatModelInit(result: ModelInitResult): string {
  const { architecture, seed, width } = result;
  const what = `${architecture}, ${formatSize(result)}, seed ${seed}${width === 1 ? '' : `, width ${width}`}`;
  const verb = result.wasThere ? 'Already there' : 'Wrote';
  const time = result.wasThere ? '' : ` in ${formatDuration(result.ms)}`;
  return `${printable(`${verb}: ${result.dir} (${what})${time}`)}\n${NOT_TRAINED}\n`;
}

/** The folder when it holds what these options would write, by what model.json and sizes say. */
async function findSameModel(
  dir: string,
  options: ModelInitOptions,
): Promise<ModelFolder | undefined> {
  let folder: ModelFolder;
  try {
    folder = await readModelFolder(dir);
  } catch (error) {
    // No model or a damaged one: initModel decides whether it may write there.
    if (isImg2FeaturesError(error)) return undefined;
    throw error;
  }
  const { source, architecture } = folder.metadata;
  const { seed, width = 1, classes, includeTop } = options;
  if (source.kind !== 'seeded' || architecture !== options.architecture) return undefined;
  if (source.seed !== seed || source.width !== width) return undefined;
  const built = buildArchitecture(options.architecture, { width, classes, includeTop });
  return JSON.stringify(built.topology) === JSON.stringify(folder.topology) ? folder : undefined;
}
