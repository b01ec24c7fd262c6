import type { FeatureBlock } from '../reduce/passes/row-passes.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { plainRows, type RunRows } from './collect-rows.ts';

/** Rows that the PCA of the page is fitted on, spread over the table. */
const SAMPLE = 5000;
const COMPONENTS = 10;
/** Longer vectors would take too long for a page. */
const MOST_DIMS = 1024;

/**
 * Components for a run that kept none (--k 0): fitted on a sample, for the page and the search for near duplicates,
 * whose result does not depend on which components they are.
 */
export async function previewReducer(
  all: RunRows,
  standardize: boolean,
): Promise<Reducer | undefined> {
  const rows = plainRows(all);
  const { count, dims } = rows;
  if (dims === 0 || dims > MOST_DIMS || count < 2) return undefined;
  const { ReducerFitter } = await import('../reduce/reducer-fitter.ts');
  const k = Math.min(COMPONENTS, dims);
  const step = Math.max(1, Math.ceil(count / SAMPLE));
  // The fitter reads rows of long vectors again: the sample stays in memory, 20 MB at most.
  const sample: FeatureBlock[] = [];
  let at = 0;
  for await (const { n, vectors } of rows.batches()) {
    const values: Float32Array[] = [];
    for (let i = 0; i < n; i++) {
      if ((at + i) % step === 0) values.push(vectors.subarray(i * dims, (i + 1) * dims));
    }
    const block = new Float32Array(values.length * dims);
    values.forEach((value, i) => {
      block.set(value, i * dims);
    });
    if (values.length > 0) sample.push({ values: block, n: values.length });
    at += n;
  }
  const readyRows = sample.reduce((sum, { n }) => sum + n, 0);
  const fitter = new ReducerFitter(dims, { k, standardize, center: true, readyRows });
  for (const block of sample) await fitter.add(block);
  const blocks = async function* () {
    yield* sample;
  };
  return fitter.finish({ dims, count: fitter.count, blocks });
}
