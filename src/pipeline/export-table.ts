import type { EngineOutput } from '../engine/engine.ts';
import { outputLabels } from '../export/column-names.ts';
import { buildRecordBatch, featureSchema, labelTexts } from '../export/features-table.ts';
import { openSinks, preloadSinks } from '../export/formats.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { writeReducerFile } from '../reduce/reducer-file.ts';
import { type OutputStore, type WrittenFile, writeWhole } from '../storage/output-store.ts';
import { provenance } from './describe-run.ts';
import { entryOf, hasSplit, type Run, type RunEnd } from './run.ts';

/** Loads what writes the table, while images are read. */
export async function preloadTable({ options, columns, manifest, store }: Run): Promise<void> {
  await preloadSinks(options.format, featureSchema(columns), manifest.count * store.plan.views);
}

/**
 * Writes the table part by part, shard by shard: one shard in memory at a time; then reducer.npz.
 * @param reducers one for each output; empty with k = 0
 */
export async function exportTable(
  run: Run,
  reducers: readonly Reducer[],
): Promise<Pick<RunEnd, 'files' | 'splitCounts'>> {
  const { options, manifest, store, output, columns, extractor, signal, onEvent } = run;
  const schema = featureSchema(columns);
  const { rows } = store;
  const onNote = (message: string) => onEvent({ event: 'note', message });
  const metadata = provenance(run);
  const { format: formats } = options;
  const counts = new Map<string, number>();
  const sinks = await openSinks({ store: output, formats, schema, metadata, rows, onNote });
  try {
    for (const part of store.plan.parts) {
      await sinks.beginPart(part.index);
      for (let id = part.firstShard; id < part.endShard; id++) {
        signal.throwIfAborted();
        const { indices, outputs } = await store.readShard(id);
        const n = indices.length;
        if (n === 0) continue;
        const entries = Array.from(indices, (index) => entryOf(run, index));
        for (const { split = '' } of entries) counts.set(split, (counts.get(split) ?? 0) + 1);
        const batch = buildRecordBatch(schema, {
          origins: entries.map(({ origin }) => origin),
          targets: entries.map(({ target }) => target),
          texts: labelTexts(columns, manifest.kept, entries),
          views: store.plan.views,
          vectors: outputs,
          reduced: reducers.map((reducer, i) => reducer.transform(outputs[i], n)),
        });
        await sinks.write(batch);
      }
      await sinks.endPart();
    }
    const tables = await sinks.finish();
    return {
      files: [...tables, ...(await writeReducers(output, reducers, extractor.outputs))],
      splitCounts: hasSplit(run) ? Object.fromEntries([...counts].sort()) : undefined,
    };
  } catch (error) {
    await sinks.abort();
    throw error;
  }
}

/** Writes reducer.npz, the fitted scaler and PCA of each output; nothing with k = 0. */
async function writeReducers(
  output: OutputStore,
  reducers: readonly Reducer[],
  outputs: readonly EngineOutput[],
): Promise<WrittenFile[]> {
  if (reducers.length === 0) return [];
  const labels = outputLabels(outputs);
  const named = new Map(reducers.map((reducer, i) => [labels[i], reducer]));
  return [await writeWhole(output, 'reducer.npz', writeReducerFile(named))];
}
