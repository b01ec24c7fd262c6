import { once } from 'node:events';
import type { Writable } from 'node:stream';
import {
  type Data,
  Field,
  Float32,
  List,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Utf8,
} from 'apache-arrow';
import type { EngineOutput } from '../engine/engine.ts';
import { ArrowPieces, nulls, textData } from '../export/arrow-data.ts';
import { type FeatureColumn, featureColumns } from '../export/column-names.ts';
import { type ModelFolder, modelFacts } from '../model/model-folder.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { packageVersion } from '../package-version.ts';
import { openPixelsExtractor } from '../pipeline/extractor/open-extractor.ts';
import { type AnswerDescription, PROTOCOL_VERSION } from './protocol.ts';
import type { AnsweredRow, RowQueue } from './row-queue.ts';

/** Rows in one record batch of the answer, and bytes that one may have; rows that are ready are sent at once, without waiting for more. */
const BATCH_ROWS = 1024;
const BATCH_BYTES = 8 << 20;

/** Writes one Arrow IPC stream: the answer to one input stream. */
export class AnswerStream {
  readonly #output: Writable;
  readonly #schema: AnswerSchema;
  readonly #signal: AbortSignal;
  readonly #pieces = new ArrowPieces();
  readonly #writer = new RecordBatchStreamWriter();
  readonly #batchRows: number;
  #sent = 0;

  constructor(output: Writable, schema: AnswerSchema, signal: AbortSignal) {
    this.#output = output;
    this.#schema = schema;
    this.#signal = signal;
    const rowBytes = schema.vectors.reduce((sum, { length }) => sum + 4 * length, 0);
    this.#batchRows = Math.max(1, Math.min(BATCH_ROWS, Math.floor(BATCH_BYTES / rowBytes)));
  }

  /** Rows written. */
  get sent(): number {
    return this.#sent;
  }

  async start(): Promise<void> {
    this.#writer.reset(this.#pieces, this.#schema.arrow);
    await this.#flush();
  }

  /** Writes every row that can leave now, and waits while the reader is behind. */
  async writeSettled(rows: RowQueue): Promise<void> {
    for (;;) {
      // Taken and written without an await in between: two callers cannot change the order.
      const taken = rows.take(this.#batchRows);
      if (taken.length === 0) return;
      this.#sent += taken.length;
      this.#writer.write(answerBatch(this.#schema, taken));
      await this.#flush();
    }
  }

  async end(): Promise<void> {
    this.#writer.finish();
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pieces.take());
    this.#signal.throwIfAborted();
    if (this.#output.write(bytes)) return;
    await once(this.#output, 'drain', { signal: this.#signal }).catch((error) => {
      this.#signal.throwIfAborted();
      throw error;
    });
  }
}

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

function answerBatch(schema: AnswerSchema, rows: readonly AnsweredRow[]): RecordBatch {
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

/**
 * What a worker with these options would answer, by the model's folder alone: no engine starts.
 * @throws ModelError, OptionError where the worker would not start either
 */
export async function describeWorker(options: ExtractOptions): Promise<AnswerDescription> {
  const { mode } = options;
  const { outputs, folder } =
    mode === 'pixels'
      ? { ...openPixelsExtractor(), folder: undefined }
      : await readNetwork(options);
  return describeAnswer(mode, answerSchema(featureColumns(mode, outputs, 0)), outputs, folder);
}

/** @param outputs those that the schema's vectors are */
export function describeAnswer(
  mode: string,
  { vectors, arrow }: AnswerSchema,
  outputs: readonly EngineOutput[],
  model: ModelFolder | undefined,
): AnswerDescription {
  return {
    protocol: PROTOCOL_VERSION,
    version: packageVersion(),
    mode,
    columns: arrow.fields.map(({ name }) => name),
    features: vectors.map(({ name, output, length }) => {
      const { layer, pool } = outputs[output];
      return { name, layer, pool, length };
    }),
    lengths: vectors.map(({ length }) => length),
    ...(model !== undefined && { model: modelFacts(model) }),
  };
}

/** What only networks need is loaded only for one. */
async function readNetwork(options: ExtractOptions) {
  const [{ findModelFolder }, { readModelFolder }, { networkOutputs }] = await Promise.all([
    import('../model/find-model-folder.ts'),
    import('../model/read-model-folder.ts'),
    import('../pipeline/extractor/network-extractor.ts'),
  ]);
  const { mode, model, preprocessing } = options;
  const folder = await readModelFolder(findModelFolder(mode, model), { preprocessing });
  const { outputs } = await networkOutputs(folder, options);
  return { outputs, folder };
}
