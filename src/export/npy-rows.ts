import { RunError } from '../errors.ts';
import { firstNotFinite } from '../first-not-finite.ts';
import type { OutputStore } from '../storage/output-store.ts';
import { textLines } from '../storage/text-lines.ts';
import type { CheckedRow } from './checked-rows.ts';
import { openNpyMatrix } from './npy-matrix.ts';
import { NPY_INDEX } from './npy-sink.ts';

/**
 * Reads the NumPy files of a run back, side by side. The rows are those of all files together, so only the first
 * of them, by name, gives rows; the others are read along with it.
 */
export async function* npyRows(store: OutputStore, name: string): AsyncGenerator<CheckedRow> {
  const files = (await store.list('npy')).map((file) => `npy/${file}`);
  if (name !== files[0]) return;
  const matrices = files.filter((file) => file.endsWith('.npy'));
  const open = await Promise.all(
    matrices.map(async (file) => ({ file, matrix: await openNpyMatrix(store, file) })),
  );
  const counts = new Set(open.map(({ matrix }) => matrix.rows));
  if (counts.size > 1) {
    throw new RunError(`Expected as many rows in each matrix but found ${[...counts].join(', ')}.`);
  }
  const [expected] = counts;
  const origins = files.includes(NPY_INDEX) ? readOrigins(store) : undefined;
  for (let row = 0; ; row++) {
    const origin = await origins?.next();
    if (origins === undefined ? row === expected : origin!.done) {
      if (expected !== undefined && row !== expected) {
        throw new RunError(`Expected ${expected} rows in ${NPY_INDEX} but found ${row}.`);
      }
      // Past the last row each matrix must end, too.
      for (const { matrix } of open) await matrix.next();
      return;
    }
    let fault: string | undefined;
    for (const { file, matrix } of open) fault = faultOf(file, await matrix.next()) ?? fault;
    yield { origin: origin?.value as string | undefined, fault };
  }
}

async function* readOrigins(store: OutputStore): AsyncGenerator<string | undefined> {
  for await (const line of textLines(store.read(NPY_INDEX))) {
    const { origin } = JSON.parse(line) as { origin?: unknown };
    yield typeof origin === 'string' ? origin : undefined;
  }
}

/** What is wrong with a row; a lack of rows is told by the count. */
function faultOf(name: string, row: Float32Array | Float64Array | undefined): string | undefined {
  return row !== undefined && firstNotFinite(row) !== -1
    ? `${name} holds something that is not a finite number`
    : undefined;
}
