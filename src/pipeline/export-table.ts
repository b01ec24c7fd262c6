import type { RunEvent } from '../events.ts';
import type { FeatureColumn } from '../export/column-names.ts';
import { buildRecordBatch, featureSchema } from '../export/features-table.ts';
import { openSinks, type SinkFormat } from '../export/open-sinks.ts';
import type { Reducer } from '../reduce/reducer.ts';
import type { Manifest } from '../run/manifest.ts';
import type { RunStore } from '../run/run-store.ts';
import type { OutputStore, WrittenFile } from '../storage/output-store.ts';

export interface ExportTableOptions {
  readonly manifest: Manifest;
  readonly store: RunStore;
  readonly output: OutputStore;
  readonly columns: readonly FeatureColumn[];
  readonly formats: readonly SinkFormat[];
  /** One for each output; empty with k = 0. */
  readonly reducers: readonly Reducer[];
  /** Provenance for formats that can carry it. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/** Writes the table part by part, shard by shard: one shard in memory at a time. */
export async function exportTable(options: ExportTableOptions): Promise<WrittenFile[]> {
  const { manifest, store, output, columns, formats, reducers, metadata, signal } = options;
  const schema = featureSchema(columns);
  const rows = store.plan.shards.reduce((sum, { id }) => sum + store.shardRecord(id).rows, 0);
  const onNote = (message: string) => options.onEvent({ event: 'note', message });
  const sinks = await openSinks({ store: output, formats, schema, metadata, rows, onNote });
  try {
    for (const part of store.plan.parts) {
      await sinks.beginPart(part.index);
      for (let id = part.firstShard; id < part.endShard; id++) {
        signal.throwIfAborted();
        const { indices, outputs } = await store.readShard(id);
        const n = indices.length;
        if (n === 0) continue;
        const entries = Array.from(indices, (index) => manifest.entry(index));
        const batch = buildRecordBatch(schema, {
          origins: entries.map(({ origin }) => origin),
          targets: entries.map(({ target }) => target),
          vectors: outputs,
          reduced: reducers.map((reducer, i) => reducer.transform(outputs[i]!, n)),
        });
        await sinks.write(batch);
      }
      await sinks.endPart();
    }
    return await sinks.finish();
  } catch (error) {
    await sinks.abort();
    throw error;
  }
}
