import { stat } from 'node:fs/promises';
import { printable } from '../json.ts';
import { describeModel, type ModelDescription } from '../model/describe-model.ts';
import { describeSource, type ModelFolder, type ModelMetadata } from '../model/model-folder.ts';
import { knownPreprocessing } from '../model/model-json.ts';
import { readModelFolder, readModelJson } from '../model/read-model-folder.ts';
import type { OpenShape } from '../model/topology-layers.ts';
import { isGray } from '../model/topology-layers.ts';
import type { Preprocessing } from '../options/preprocessing.ts';
import { PREPROCESSING_CHOICES } from '../options/preprocessing.ts';
import { formatBytes, formatCount, plural } from '../terminal/units.ts';

export interface ModelInfoOptions {
  readonly dir: string;
  /** Read the weights even where the cache keeps the SHA-256 of these very files. */
  readonly verify?: boolean;
  readonly signal?: AbortSignal;
}

/** JSON-able: what `--json` prints. */
export interface ModelInfo extends ModelDescription {
  readonly dir: string;
  readonly architecture: string | null;
  /** null: the folder does not say it; give `--preprocessing`. */
  readonly preprocessing: Preprocessing | null;
  readonly inputSize: readonly [height: number, width: number];
  /** Name of a model that was inside the model → the layer that gives its output. */
  readonly nested: Readonly<Record<string, string>>;
  readonly colors: 'RGB' | 'gray';
  readonly trained: boolean;
  readonly source: ModelMetadata['source'];
  readonly weightsSha256: string;
  readonly weightBytes: number;
  readonly shards: number;
}

/**
 * `img2features model info [dir]`: what is in a model folder.
 * @throws ModelError also when the weights differ from what model.json states
 */
export async function runModelInfo(options: ModelInfoOptions): Promise<ModelInfo> {
  const json = await readModelJson(options.dir);
  // A model that another tool wrote does not name its preprocessing; the rest is shown even so.
  const folder = await readModelFolder(options.dir, {
    ...(json.metadata === undefined && { preprocessing: 'none' }),
    isFresh: options.verify === true,
    ...(options.signal && { signal: options.signal }),
  });
  const { architecture, inputSize, nested = {}, trained, source, weightsSha256 } = folder.metadata;
  return {
    dir: folder.dir,
    architecture,
    preprocessing: knownPreprocessing(json) ?? null,
    inputSize,
    nested,
    colors: isGray(folder.topology) ? 'gray' : 'RGB',
    trained,
    source,
    weightsSha256,
    weightBytes: await totalSize(folder),
    shards: folder.shardPaths.length,
    ...(await describeModel(folder)),
  };
}

/** The same for people: a head, a table of layers, what to give to --layer. */
export function formatModelInfo(info: ModelInfo): string {
  const lines = [
    `Model          ${info.dir}`,
    `Architecture   ${info.architecture ?? 'its own'}, input ${info.inputSize.join('×')} ${info.colors}`,
    `Preprocessing  ${info.preprocessing ?? `unknown: give --preprocessing ${PREPROCESSING_CHOICES}`}`,
    `Weights        ${formatCount(info.params)} values, ${formatBytes(info.weightBytes)} in ${plural(info.shards, 'file')}`,
    `Origin         ${describeSource(info.source)}`,
    ...('file' in info.source ? [`  its SHA-256  ${info.source.sha256}`] : []),
    `SHA-256        ${info.weightsSha256} (weights, computed)`,
    ...(info.trained ? [] : ['', NOT_TRAINED]),
    '',
    ...formatTable(info),
    ...formatNested(info),
    '',
    'Good features (--layer):',
    ...alignColumns(
      info.features.map(({ request, length, why }) => [request, formatCount(length), why]),
      [1],
    ).map((line) => `  ${line}`),
    `Without --layer: ${info.defaultLayer}.`,
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

export const NOT_TRAINED =
  'NOT TRAINED: seeded weights for demos, tests and benchmarks. The features mean nothing.';

function formatTable(info: ModelInfo): string[] {
  const rows = info.layers.map(({ name, className, outputShape, params }) => [
    name,
    className,
    formatShape(outputShape),
    formatCount(params),
  ]);
  return alignColumns([['Layer', 'Class', 'Output', 'Weights'], ...rows], [3]);
}

/** Models inside are other names of layers. */
function formatNested({ nested }: ModelInfo): string[] {
  if (Object.keys(nested).length === 0) return [];
  const rows = Object.entries(nested).map(([name, layer]) => [name, `= ${layer}`]);
  return ['', 'Models inside (--layer):', ...alignColumns(rows, []).map((line) => `  ${line}`)];
}

function formatShape(shape: OpenShape): string {
  return shape.map((side) => side ?? '?').join('×');
}

/** Pads every column to its widest cell; columns in `right` are aligned to the right. */
function alignColumns(rows: readonly string[][], right: readonly number[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  );
}

async function totalSize(folder: ModelFolder): Promise<number> {
  let bytes = 0;
  for (const path of folder.shardPaths) bytes += (await stat(path)).size;
  return bytes;
}
