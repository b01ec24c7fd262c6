import { type RecordBatch, RecordBatchFileWriter, Schema, tableFromIPC } from 'apache-arrow';
import type { OutputFile, WrittenFile } from '../storage/output-store.ts';
import { ArrowPieces } from './arrow-data.ts';
import { expectSoundFile } from './arrow-message.ts';
import { arrowTableBatch, expectLists, unreadableTable } from './arrow-table.ts';
import { type FeatureSchema, madeUpBatch } from './features-table.ts';
import { METADATA_KEY, partName, provenanceJson, type Sink, type SinkContext } from './sink.ts';
import type { ReadTable, TableBatch } from './table-batch.ts';

/**
 * Arrow IPC files, which is what Feather version 2 is: one for each part, a record batch for each shard, not
 * compressed, so that readers can map them into memory. Provenance is schema metadata, as in Parquet.
 */
export function openFeatherSink({ store, schema, metadata }: SinkContext): Sink {
  const files: WrittenFile[] = [];
  let part: { readonly file: OutputFile; readonly writer: FileWriter } | undefined;
  return {
    async beginPart(index) {
      const file = await store.create(partName('feather', index));
      part = { file, writer: new FileWriter(schema, metadata) };
    },
    async write(batch) {
      part!.writer.write(batch);
      await drain(part!);
    },
    async endPart() {
      if (part!.writer.isEmpty) part!.writer.write(madeUpBatch(schema, 0));
      part!.writer.finish();
      await drain(part!);
      files.push(await part!.file.commit());
      part = undefined;
    },
    async finish() {
      return files;
    },
    async abort() {
      await part?.file.abort();
      part = undefined;
    },
  };
}

/** Views of the batch's own buffers: they are written before the caller may use those again. */
async function drain({
  file,
  writer,
}: {
  readonly file: OutputFile;
  readonly writer: FileWriter;
}): Promise<void> {
  for (const piece of writer.pieces.take()) await file.write(piece);
}

class FileWriter extends RecordBatchFileWriter {
  readonly pieces = new ArrowPieces();
  isEmpty = true;

  constructor({ arrow }: FeatureSchema, metadata: Readonly<Record<string, string>>) {
    super();
    const provenance = new Map([[METADATA_KEY, provenanceJson(metadata)]]);
    this.reset(this.pieces, new Schema(arrow.fields, provenance));
  }

  override write(batch: Parameters<RecordBatchFileWriter['write']>[0]): void {
    this.isEmpty = false;
    super.write(batch);
  }
}

/** The record batches of one Arrow IPC file of a run. @throws RunError for bytes that are no such file */
function* readFeatherBatches(bytes: Uint8Array, name: string): Generator<RecordBatch> {
  try {
    expectSoundFile(bytes);
    for (const batch of tableFromIPC(bytes).batches) {
      expectLists(batch);
      yield batch;
    }
  } catch (cause) {
    throw unreadableTable('an Arrow file', name, cause);
  }
}

/** See ReadTable. */
export async function* readFeatherTable(
  ...[files, name, columns]: Parameters<ReadTable>
): AsyncGenerator<TableBatch> {
  for (const batch of readFeatherBatches(await files.whole(name), name)) {
    if (batch.numRows > 0) yield arrowTableBatch(batch, columns);
  }
}
