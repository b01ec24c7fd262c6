/** The end of a run, also of a merged one: its table, its report, run.json. */
import type { RunSummary } from './events.ts';
import { makesSplit } from './options/extract-options.ts';
import { runFacts } from './pipeline/describe-run.ts';
import type { Run, RunEnd } from './pipeline/run.ts';
import { summarize } from './pipeline/summarize.ts';
import type { Reducer } from './reduce/reducer.ts';
import { runRejections, writeRejections } from './run/rejections.ts';
import { buildRunJson, publishRun } from './run/run-json.ts';

/** The table and its report; the counts must add up, and only then is the run called complete. */
export async function publish(
  extracted: Run,
  reducers: readonly Reducer[],
  exportTable: Awaited<ReturnType<typeof loadExport>>,
): Promise<RunSummary> {
  const { options, output, manifest, store, update, progress, clock, onEvent } = extracted;
  onEvent({ event: 'stage', stage: 'export' });
  const run = makesSplit(options)
    ? { ...extracted, madeSplit: await clock.time('export', () => splitRows(extracted, reducers)) }
    : extracted;
  const rejections = [...runRejections(manifest, store)];
  const exporting = clock.time('export', async () => {
    const { files, splitCounts } = await exportTable(run, reducers);
    return { files: [...files, await writeRejections(output, rejections)], splitCounts };
  });
  // Other threads write most of the table: meanwhile the findings are looked for.
  const finding = options.report
    ? (await loadReport()).writeReport({ ...run, reducers, rejections }, exporting)
    : undefined;
  finding?.catch(() => {}); // thrown below, after what the table failed for
  const end: RunEnd = { ...run, reducers, rejections, ...(await exporting) };
  if (options.report) onEvent({ event: 'stage', stage: 'report' });
  const report = await finding;
  const json = buildRunJson(await runFacts({ ...end, ...report }));
  await update?.removeReplacedFiles(output, json.files);
  await publishRun(output, json);
  await (update ?? store).finish();
  return summarize(json, output.target, false, progress.newRows, update?.report);
}

async function splitRows(run: Run, reducers: readonly Reducer[]) {
  const { makeSplit } = await import('./pipeline/split/make-split.ts');
  return makeSplit(run, reducers);
}

export function reportEnd(summary: RunSummary, onEvent: Run['onEvent']): RunSummary {
  onEvent({ event: 'finished', summary });
  return summary;
}

/** Loads what writes the table and the report. */
export async function loadExport(run: Run) {
  const { exportTable, preloadTable } = await import('./pipeline/export-table.ts');
  await preloadTable(run);
  if (run.options.report) await (await loadReport()).preloadReport(run.options);
  return exportTable;
}

function loadReport() {
  return import('./report/write-report.ts');
}
