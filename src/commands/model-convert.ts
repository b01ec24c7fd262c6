import { basename, join, resolve } from 'node:path';
import type { ConvertModelOptions } from '../convert/conversion-plan.ts';
import { convertModel } from '../convert/convert-model.ts';
import { printable } from '../json.ts';
import { countValues } from '../model/count-values.ts';
import { modelDirOf } from '../model/find-model-folder.ts';
import type { ModelMetadata } from '../model/model-folder.ts';
import { expectPath } from '../place.ts';
import { formatBytes, formatCount, formatDuration } from '../terminal/units.ts';

export interface ModelConvertOptions extends Omit<ConvertModelOptions, 'dir' | 'onNote'> {
  /** Default: models/<name of the file> in the working folder. */
  readonly dir?: string;
}

/** JSON-able: what `--json` prints. */
export interface ModelConvertResult {
  readonly dir: string;
  readonly metadata: ModelMetadata;
  readonly params: number;
  readonly weightBytes: number;
  /** What was recognised or decided, a sentence each. */
  readonly notes: readonly string[];
  readonly ms: number;
}

/**
 * `img2features model convert <file>`: .h5, .weights.h5, .keras or a tfjs model.json to a model folder.
 * @throws ModelError, OptionError
 */
export async function runModelConvert(options: ModelConvertOptions): Promise<ModelConvertResult> {
  const started = performance.now();
  const notes: string[] = [];
  const dir = resolve(expectPath(options.dir ?? join('models', modelName(options.file)), '--out'));
  const folder = await convertModel({ ...options, dir, onNote: (note) => notes.push(note) });
  const params = countValues(folder.weights);
  return {
    dir,
    metadata: folder.metadata,
    params,
    weightBytes: 4 * params,
    notes,
    ms: performance.now() - started,
  };
}

export function formatModelConvert(result: ModelConvertResult): string {
  const { dir, metadata, params, weightBytes, notes, ms } = result;
  const { architecture, preprocessing, inputSize, source } = metadata;
  const from =
    'file' in source
      ? ` from ${source.file} (${source.format})`
      : source.kind === 'tfjs'
        ? ` from a tfjs model by ${source.by || 'another tool'}`
        : '';
  const what = [
    architecture ?? 'a model of its own',
    `${formatCount(params)} weights, ${formatBytes(weightBytes)}`,
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
    basename(modelDirOf(resolve(file))).replace(/\.(weights\.h5|h5|hdf5|keras)$/i, '') || 'model'
  );
}
