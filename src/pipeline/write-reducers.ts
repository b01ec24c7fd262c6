import type { EngineOutput } from '../engine/engine.ts';
import { outputLabels } from '../export/column-names.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { writeReducerFile } from '../reduce/reducer-file.ts';
import type { OutputStore, WrittenFile } from '../storage/output-store.ts';
import { writeWhole } from '../storage/whole-file.ts';

/** Writes reducer.npz, the fitted scaler and PCA of each output; nothing with k = 0. */
export async function writeReducers(
  output: OutputStore,
  reducers: readonly Reducer[],
  outputs: readonly EngineOutput[],
): Promise<WrittenFile[]> {
  if (reducers.length === 0) return [];
  const labels = outputLabels(outputs);
  const named = new Map(reducers.map((reducer, i) => [labels[i]!, reducer]));
  return [await writeWhole(output, 'reducer.npz', writeReducerFile(named))];
}
