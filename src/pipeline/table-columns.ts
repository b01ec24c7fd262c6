import {
  type FeatureColumn,
  type FeatureOutput,
  featureColumns,
  selectColumns,
} from '../export/column-names.ts';
import type { ExtractOptions, Mode } from '../options/extract-options.ts';
import type { RunJson } from '../run/run-json.ts';

/** The layer or "pixels" that findings and report use: the first of a run. */
export function firstOutput(run: RunJson): FeatureOutput {
  return outputsOf(run)[0];
}

/** The columns of a finished run's table, as its run.json says. */
export function tableColumns(run: RunJson): FeatureColumn[] {
  const { mode, k, columns } = run.options as ExtractOptions;
  return selectColumns(featureColumns(mode as Mode, outputsOf(run), k), columns?.split(','));
}

function outputsOf(run: RunJson): readonly FeatureOutput[] {
  const model = run.model as { readonly layers: readonly FeatureOutput[] } | undefined;
  return model?.layers ?? [{ layer: 'pixels', pool: 'none', length: 300 }];
}
