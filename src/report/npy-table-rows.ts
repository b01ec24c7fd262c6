import { openNpyMatrix } from '../export/npy-matrix.ts';
import { NPY_INDEX, npyFileName } from '../export/npy-sink.ts';
import type { OutputStore } from '../storage/output-store.ts';
import { textLines } from '../storage/text-lines.ts';

/** The rows of a table in NumPy's format: its index and two of its matrices, side by side. */
export async function* npyTableRows(
  store: OutputStore,
  {
    vector,
    reduced,
  }: { readonly vector: string | undefined; readonly reduced: string | undefined },
) {
  const open = async (column: string | undefined) =>
    column === undefined ? undefined : openNpyMatrix(store, `npy/${npyFileName(column)}`);
  const [vectors, components] = await Promise.all([open(vector), open(reduced)]);
  for await (const line of textLines(store.read(NPY_INDEX))) {
    const { origin, target } = JSON.parse(line) as { origin: string; target?: string };
    yield {
      origin,
      target: target ?? '',
      vector: (await vectors?.next()) ?? [],
      reduced: (await components?.next()) ?? [],
    };
  }
}
