import {
  type Data,
  Field,
  Float32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Utf8,
} from 'apache-arrow';
import { nulls, textData } from '../export/arrow-data.ts';
import type { FeatureColumn } from '../export/column-names.ts';
import type { AnsweredRow } from './row-queue.ts';

/** The columns of the answer, and the outputs that its vectors are. */
export interface AnswerSchema {
  readonly vectors: readonly FeatureColumn[];
  readonly arrow: Schema;
}

/** origin, target, one list of float32 for each output, status, error. Items are as pyarrow's `list_(float32())` has them. */
export function answerSchema(columns: readonly FeatureColumn[]): AnswerSchema {
  const vectors = columns.filter(({ kind }) => kind === 'vector');
  const fields = [
    new Field('origin', new Utf8(), false),
    new Field('target', new Utf8(), false),
    ...vectors.map(({ name }) => new Field(name, LIST, true)),
    new Field('status', new Utf8(), false),
    new Field('error', new Utf8(), true),
  ];
  return { vectors, arrow: new Schema(fields) };
}

const LIST = new List(new Field('item', new Float32(), true));

export function answerBatch(schema: AnswerSchema, rows: readonly AnsweredRow[]): RecordBatch {
  const children = [
    textData(rows.map(({ origin }) => origin)),
    textData(rows.map(({ target }) => target)),
    ...schema.vectors.map((column) => vectorData(column, rows)),
    textData(rows.map(({ reason }) => reason ?? 'ok')),
    textData(rows.map(({ message }) => message)),
  ];
  const type = new Struct(schema.arrow.fields);
  return new RecordBatch(
    schema.arrow,
    makeData({ type, length: rows.length, nullCount: 0, children: children as Data[] }),
  );
}

function vectorData({ output, length }: FeatureColumn, rows: readonly AnsweredRow[]): Data {
  const accepted = rows.reduce((sum, { vectors }) => sum + (vectors === undefined ? 0 : 1), 0);
  const data = new Float32Array(accepted * length);
  const valueOffsets = new Int32Array(rows.length + 1);
  let end = 0;
  rows.forEach(({ vectors }, i) => {
    if (vectors !== undefined) {
      data.set(vectors[output], end);
      end += length;
    }
    valueOffsets[i + 1] = end;
  });
  const child = makeData({ type: new Float32(), length: data.length, nullCount: 0, data });
  const isNull = (i: number) => rows[i].vectors === undefined;
  return makeData({
    type: LIST,
    length: rows.length,
    valueOffsets,
    child,
    ...nulls(rows.length, isNull),
  });
}
