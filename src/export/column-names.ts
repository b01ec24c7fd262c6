import type { Pool } from '../engine/engine.ts';
import { OptionError } from '../errors.ts';
import type { ExtractOptions } from '../options/extract-options.ts';

/** One feature output of a run: what EngineOutput says, and in pixels mode the pixels themselves. */
export interface FeatureOutput {
  readonly layer: string;
  readonly pool: Pool;
  /** float32 values in each vector. */
  readonly length: number;
}

/** Types of numbers in a table. */
export type NumberType = 'float16' | 'float32' | 'float64' | 'int32';

/** Bytes of one value. */
export const VALUE_BYTES = {
  float16: 2,
  float32: 4,
  float64: 8,
  int32: 4,
} as const satisfies Record<NumberType, number>;

/** One column of the table, in every format. */
export interface FeatureColumn {
  readonly name: string;
  readonly kind: 'origin' | 'target' | 'split' | 'view' | 'kept' | 'vector' | 'reduced';
  /** Of a cell's text or numbers; those of `vector` and `reduced` are lists. */
  readonly type: 'utf8' | NumberType;
  /** Position of the output that a `vector` or `reduced` column belongs to; else -1. */
  readonly output: number;
  /** Values in each cell; 1 for text and the view. */
  readonly length: number;
  /** The prefix of `pc1`, `f1` … in the CSV header: empty for one output, else `<layer>_`. */
  readonly prefix: string;
}

/** What the list of images adds to `origin` and `target`. */
export interface LabelColumns {
  readonly hasSplit: boolean;
  /** Names of the columns of a list that are carried through (`--keep-columns`). */
  readonly kept: readonly string[];
  /** Rows of each image; undefined = 1. */
  readonly views?: number | undefined;
}

/** Types of the vectors and the reduced vectors in the table. */
export interface ColumnTypes {
  readonly vector: 'float16' | 'float32';
  readonly reduced: 'float32' | 'float64';
}

/** Runs from before there was a choice have the defaults. */
export function columnTypes({
  vectorType = 'float32',
  reduxType = 'float64',
}: Partial<Pick<ExtractOptions, 'vectorType' | 'reduxType'>>): ColumnTypes {
  return { vector: vectorType, reduced: reduxType };
}

export const SPLIT = 'split';
export const VIEW = 'view';

/**
 * Names every column of a run: `origin`, `target`, `split`, `view` and kept columns where there are any, then for each output its
 * vector and, with k > 0, its reduced vector. Pixels: `vectors`, `vectors_redux`; a network: `cnn_vectors`, `cnn_vectors_redux`;
 * several outputs: `cnn_vectors_<layer>`, `cnn_vectors_<layer>_redux`. A layer asked for more than
 * once gets `_avg` or `_max` after its name where it is pooled; the unpooled one keeps the plain name.
 *
 * @param mode `pixels`, or the name of any network
 * @param k components of the reduced vectors; 0 = none
 * @throws OptionError when two outputs would have the same name, or a kept column that of another column
 */
export function featureColumns(
  mode: string,
  outputs: readonly FeatureOutput[],
  k: number,
  { hasSplit, kept, views = 1 }: LabelColumns = { hasSplit: false, kept: [] },
  types: ColumnTypes = columnTypes({}),
): FeatureColumn[] {
  const text = (name: string, kind: FeatureColumn['kind']): FeatureColumn => {
    return { name, kind, type: 'utf8', output: -1, length: 1, prefix: '' };
  };
  const columns = [text('origin', 'origin'), text('target', 'target')];
  if (hasSplit) columns.push(text(SPLIT, 'split'));
  if (views > 1) columns.push({ ...text(VIEW, 'view'), type: 'int32' });
  const labelCount = columns.length;
  const base = mode === 'pixels' ? 'vectors' : 'cnn_vectors';
  const labels = outputLabels(outputs);
  outputs.forEach((output, i) => {
    const several = outputs.length > 1;
    const name = several ? `${base}_${labels[i]}` : base;
    const prefix = several ? `${labels[i]}_` : '';
    const own = { output: i, prefix };
    columns.push({ name, kind: 'vector', type: types.vector, length: output.length, ...own });
    if (k > 0) {
      const reduced = { name: `${name}_redux`, kind: 'reduced', type: types.reduced } as const;
      columns.push({ ...reduced, length: k, ...own });
    }
  });
  refuseTwins(columns);
  refuseClash(columns, kept);
  columns.splice(labelCount, 0, ...kept.map((name) => text(name, 'kept')));
  return columns;
}

/**
 * Keeps the named columns, in the order named (`--columns`); all of them when `names` is undefined.
 *
 * @throws OptionError for a name that the run does not have, or one given twice
 */
export function selectColumns(
  columns: readonly FeatureColumn[],
  names: readonly string[] | undefined,
): FeatureColumn[] {
  if (names === undefined) return [...columns];
  const known = new Map(columns.map((column) => [column.name, column]));
  const seen = new Set<string>();
  const selected = names.map((name) => {
    const column = known.get(name);
    if (column === undefined) {
      throw new OptionError(
        `Expected names of columns for --columns but found "${name}"; this run has ${[...known.keys()].join(', ')}.`,
      );
    }
    if (seen.has(name)) {
      throw new OptionError(`Expected each column once for --columns but found "${name}" twice.`);
    }
    seen.add(name);
    return column;
  });
  if (selected.length === 0) {
    throw new OptionError('Expected at least one column for --columns but found none.');
  }
  return selected;
}

/** The layer's name, with its pool only where the layer occurs more than once. */
export function outputLabels(outputs: readonly Pick<FeatureOutput, 'layer' | 'pool'>[]): string[] {
  return outputs.map(({ layer, pool }) => {
    const isShared = outputs.filter((other) => other.layer === layer).length > 1;
    return isShared && pool !== 'none' ? `${layer}_${pool}` : layer;
  });
}

function refuseTwins(columns: readonly FeatureColumn[]): void {
  const names = new Set<string>();
  for (const { name } of columns) {
    if (names.has(name)) {
      throw new OptionError(
        `Expected each layer and pooling once for --layer but found two outputs named "${name}".`,
        { fix: 'Ask for each layer once, or once for each --pool.' },
      );
    }
    names.add(name);
  }
}

/** @throws OptionError for a kept column that the table, or the header of its CSV matrix, has already */
function refuseClash(columns: readonly FeatureColumn[], kept: readonly string[]): void {
  kept.forEach((name, i) => {
    const isTaken = ({ name: own, kind, prefix }: FeatureColumn) =>
      name === own ||
      (isList({ kind }) &&
        name.startsWith(prefix) &&
        /^(pc|f)\d+$/.test(name.slice(prefix.length)));
    if (name !== SPLIT && !columns.some(isTaken) && kept.indexOf(name) === i) return;
    throw new OptionError(
      `Expected names of its own for the columns of --keep-columns but found "${name}", which the table has already.`,
      { fix: 'Rename that column in the list, or leave it out of --keep-columns.' },
    );
  });
}

/** Whether a column holds text, not numbers. */
export function isText({ type }: Pick<FeatureColumn, 'type'>): boolean {
  return type === 'utf8';
}

/** Whether each of its cells is a list of numbers. */
export function isList({ kind }: Pick<FeatureColumn, 'kind'>): boolean {
  return kind === 'vector' || kind === 'reduced';
}

/** Columns of text beside origin and target. */
export function labelColumns(columns: readonly FeatureColumn[]): FeatureColumn[] {
  return columns.filter(({ kind }) => kind === 'split' || kind === 'kept');
}

export function numericColumns(columns: readonly FeatureColumn[]): FeatureColumn[] {
  return columns.filter(isList);
}

/** Columns of the CSV matrix: of an output its reduced vector, where there is one, else the whole. */
export function matrixColumns(columns: readonly FeatureColumn[]): FeatureColumn[] {
  const reduced = new Set(columns.filter((c) => c.kind === 'reduced').map((c) => c.output));
  return columns.filter((column) => column.kind !== 'vector' || !reduced.has(column.output));
}
