import {
  type Data,
  Field,
  type Float,
  Float16,
  Float32,
  Float64,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Utf8,
} from 'apache-arrow';
import { RunError } from '../errors.ts';
import { firstNotFinite } from '../first-not-finite.ts';
import { textData } from './arrow-data.ts';
import { type FeatureColumn, isText, labelColumns, type NumberType } from './column-names.ts';
import { FLOAT16_MAX, firstBeyondFloat16, toFloat16 } from './float16.ts';

/** The columns of a table and their Arrow types; make it once a run. */
export interface FeatureSchema {
  readonly columns: readonly FeatureColumn[];
  readonly arrow: Schema;
}

/** Rows that are ready to be written; arrays of the same n rows in the same order. */
export interface FeatureRows {
  readonly origins: readonly string[];
  readonly targets: readonly string[];
  /** By the column's name: those of the split and of kept columns, where the schema has such columns. */
  readonly texts?: ReadonlyMap<string, readonly string[]>;
  /** Rows of each image, one after the other from its view 0 on; undefined = 1. */
  readonly views?: number;
  /** For each output float32 [n, length], row-major. */
  readonly vectors: readonly Float32Array[];
  /** For each output float64 [n, k], row-major; not read where the schema has no reduced column. */
  readonly reduced: readonly Float64Array[];
}

/**
 * The texts of the split and kept columns of some images.
 * @param kept names of the images' kept texts
 */
export function labelTexts(
  columns: readonly FeatureColumn[],
  kept: readonly string[],
  entries: readonly {
    readonly split?: string | undefined;
    readonly kept?: readonly string[] | undefined;
  }[],
): NonNullable<FeatureRows['texts']> {
  const texts = labelColumns(columns).map(({ name, kind }) => {
    const at = kept.indexOf(name);
    const cells = entries.map((entry) => (kind === 'split' ? entry.split : entry.kept?.[at]) ?? '');
    return [name, cells] as const;
  });
  return new Map(texts);
}

/** Arrow types: text is Utf8, the view Int32, vectors are lists of their column's type; nothing is nullable. */
export function featureSchema(columns: readonly FeatureColumn[]): FeatureSchema {
  const fields = columns.map((column) => new Field(column.name, arrowType(column), false));
  return { columns, arrow: new Schema(fields) };
}

/**
 * Makes an Arrow record batch over the given buffers: list columns are views where their type is that of the rows, and text is encoded.
 *
 * @throws RunError when a column has not one cell for each row, or a value is not finite
 * @example
 * const schema = featureSchema(featureColumns('pixels', [{ layer: 'pixels', pool: 'none', length: 300 }], 10));
 * const batch = buildRecordBatch(schema, { origins, targets, vectors: [float32], reduced: [float64] });
 */
export function buildRecordBatch(schema: FeatureSchema, rows: FeatureRows): RecordBatch {
  const n = rows.origins.length;
  const children = schema.columns.map((column) => {
    if (column.kind === 'origin') return textData(rows.origins);
    if (isText(column)) {
      const texts = column.kind === 'target' ? rows.targets : (rows.texts?.get(column.name) ?? []);
      expectLength(column, texts.length, n);
      return textData(texts);
    }
    if (column.kind === 'view') {
      const data = Int32Array.from({ length: n }, (_, row) => row % (rows.views ?? 1));
      return makeData({ type: new Int32(), length: n, nullCount: 0, data });
    }
    const values = (column.kind === 'vector' ? rows.vectors : rows.reduced)[column.output];
    expectLength(column, values?.length ?? 0, n * column.length);
    return listData(column, inType(column, values, rows.origins), n);
  });
  const type = new Struct(schema.arrow.fields);
  return new RecordBatch(
    schema.arrow,
    makeData({ type, length: n, nullCount: 0, children: children as Data[] }),
  );
}

/** Rows like a ReLU layer's, half zeros, to try a format with; some formats cannot make a file of no batches, but of a batch of none. */
export function madeUpBatch(schema: FeatureSchema, rows: number): RecordBatch {
  const names = Array.from({ length: rows }, (_, row) => `class/${row}.jpg`);
  const fill = <A extends Float32Array | Float64Array>(values: A): A => {
    for (let i = 0; i < values.length; i++) values[i] = Math.max(0, ((i * 0.618034) % 1) - 0.5);
    return values;
  };
  const vectors: Float32Array[] = [];
  const reduced: Float64Array[] = [];
  for (const { kind, output, length } of schema.columns) {
    if (kind === 'vector') vectors[output] = fill(new Float32Array(rows * length));
    if (kind === 'reduced') reduced[output] = fill(new Float64Array(rows * length));
  }
  return buildRecordBatch(schema, { origins: names, targets: names, vectors, reduced });
}

function arrowType(column: FeatureColumn): Utf8 | Int32 | List<Float> {
  if (isText(column)) return new Utf8();
  if (column.kind === 'view') return new Int32();
  return listType(ARROW_FLOATS[column.type as FloatType]());
}

type FloatType = Exclude<NumberType, 'int32'>;

const ARROW_FLOATS: Readonly<Record<FloatType, () => Float>> = {
  float16: () => new Float16(),
  float32: () => new Float32(),
  float64: () => new Float64(),
};

// "element" is the name that the Parquet specification gives to the item of a LIST.
function listType(item: Float): List<Float> {
  return new List(new Field('element', item, false));
}

function listData(
  { type, length }: FeatureColumn,
  values: Float32Array | Float64Array | Uint16Array,
  n: number,
): Data<List> {
  const valueOffsets = new Int32Array(n + 1);
  for (let i = 0; i <= n; i++) valueOffsets[i] = i * length;
  const item = ARROW_FLOATS[type as FloatType]();
  const child = makeData({
    type: item as Float32,
    length: values.length,
    nullCount: 0,
    data: values as Float32Array,
  });
  return makeData({ type: listType(item), length: n, nullCount: 0, valueOffsets, child });
}

function expectLength(column: FeatureColumn, found: number, expected: number): void {
  if (found === expected) return;
  throw new RunError(
    `Expected ${expected} values for column ${column.name} but found ${found}; rows would be mixed up.`,
  );
}

/** The rows' numbers in the type of their column. @throws RunError for a number that is not finite, or is not in that type's range */
function inType(
  column: FeatureColumn,
  values: Float32Array | Float64Array,
  origins: readonly string[],
): Float32Array | Float64Array | Uint16Array {
  const { name, type, length } = column;
  const refuse = (at: number, expected: string, fix: string) => {
    if (at === -1) return;
    const origin = origins[Math.floor(at / length)];
    throw new RunError(
      `Expected ${expected} for column ${name} but found ${values[at]} in the row of ${origin}.`,
      { fix },
    );
  };
  const precision = 'Use --precision fp32, and check the model with `img2features model info`.';
  refuse(firstNotFinite(values), 'finite numbers', precision);
  const wider = 'Take the wider type for that column (--vector-type, --redux-type).';
  if (type === 'float16') {
    const floats = values as Float32Array;
    refuse(firstBeyondFloat16(floats), `numbers within ±${FLOAT16_MAX}`, wider);
    return toFloat16(floats);
  }
  if (type === 'float64' || values instanceof Float32Array) return values;
  const rounded = new Float32Array(values);
  refuse(firstNotFinite(rounded), 'numbers in the range of float32', wider);
  return rounded;
}
