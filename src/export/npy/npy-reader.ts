import { RunError } from '../../errors.ts';
import { textLines } from '../../storage/byte-streams.ts';
import {
  hasColumn,
  inBatches,
  numericColumns,
  type ReadTable,
  type TableBatch,
  type TableRow,
} from '../table-batch.ts';
import { type NpyMatrix, openNpyMatrix } from './npy-matrix.ts';
import { NPY_INDEX, npyFileName } from './npy-sink.ts';

/** See ReadTable: the index and the matrices of the wanted columns, side by side. */
export async function* readNpyTable(
  ...[files, name, columns]: Parameters<ReadTable>
): AsyncGenerator<TableBatch> {
  const hasIndex = hasColumn(columns, 'origin') || hasColumn(columns, 'target');
  const numeric = numericColumns(columns).map((column) => ({
    column: column.name,
    file: `npy/${npyFileName(column.name)}`,
  }));
  if (name !== (hasIndex ? NPY_INDEX : numeric[0].file)) return;
  const matrices = new Map<string, NpyMatrix>();
  for (const { column, file } of numeric) {
    matrices.set(column, await openNpyMatrix(files.stream(file), file));
  }
  const counts = new Set([...matrices.values()].map((matrix) => matrix.rows));
  if (counts.size > 1) {
    throw new RunError(`Expected as many rows in each matrix but found ${[...counts].join(', ')}.`);
  }
  const [count] = counts;
  const names = hasIndex ? textLines(files.stream(NPY_INDEX)) : undefined;
  yield* inBatches(rows(names, matrices, count), columns);
}

async function* rows(
  names: AsyncGenerator<string> | undefined,
  matrices: ReadonlyMap<string, NpyMatrix>,
  count: number | undefined,
): AsyncGenerator<TableRow> {
  for (let row = 0; ; row++) {
    const line = await names?.next();
    if (line === undefined ? row === count : line.done) {
      if (count !== undefined && row !== count) {
        throw new RunError(`Expected ${count} rows in ${NPY_INDEX} but found ${row}.`);
      }
      // Past the last row each matrix must end, too.
      for (const matrix of matrices.values()) await matrix.next();
      return;
    }
    const text = line === undefined ? {} : (JSON.parse(line.value!) as Record<string, unknown>);
    const cells: Record<string, unknown> = Object.create(null);
    for (const [column, matrix] of matrices) cells[column] = await matrix.next();
    yield { origin: text.origin, target: text.target, cells };
  }
}
