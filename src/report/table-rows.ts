import { RunError } from '../errors.ts';
import { matrixColumns } from '../export/column-names.ts';
import { bestFormat, filesOfFormat, tableReader } from '../export/formats.ts';
import { expectNoFaults } from '../export/table-batch.ts';
import type { RunRows } from '../findings/collect-rows.ts';
import { tableColumns } from '../pipeline/table-columns.ts';
import { intactFiles } from '../run/intact-files.ts';
import type { RunJson } from '../run/run-json.ts';
import type { OutputStore } from '../storage/output-store.ts';

/**
 * The rows of a finished table, from that of its formats which holds most.
 * @throws RunError when it holds none that can be read back, or no origins
 */
export function tableRows(store: OutputStore, run: RunJson): RunRows {
  const all = tableColumns(run);
  const format = bestFormat(run.files);
  const hasOrigin = all.some(({ kind }) => kind === 'origin');
  const columns = (format === 'csv' ? matrixColumns(all) : all).filter(({ output }) => output <= 0);
  const vector = columns.find(({ kind }) => kind === 'vector');
  const reduced = columns.find(({ kind }) => kind === 'reduced');
  if (format === undefined || !hasOrigin || (vector ?? reduced) === undefined) {
    throw new RunError(
      `Expected a table with origins and features but found ${hasOrigin ? 'no features' : 'no origins'} in ${store.target}.`,
      { fix: 'Run the extraction without --columns, or with origin and a column of features.' },
    );
  }
  return {
    count: run.counts.extracted,
    dims: vector?.length ?? 0,
    k: reduced?.length ?? 0,
    async *batches() {
      const read = await tableReader(format);
      const files = intactFiles(store, run.files);
      for (const { name } of filesOfFormat(run.files, format)) {
        for await (const batch of read(files, name, columns)) {
          expectNoFaults(batch, name);
          const { n, origins = [], targets = Array(n).fill(''), numbers } = batch;
          const of = (column: typeof vector) => column && numbers.get(column.name);
          yield {
            n,
            origins,
            targets,
            vectors: (of(vector) as Float32Array | undefined) ?? new Float32Array(0),
            reduced: (of(reduced) as Float64Array | undefined) ?? new Float64Array(0),
          };
        }
      }
    },
  };
}
