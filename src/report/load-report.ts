import type { ExtractOptions } from '../options/extract-options.ts';
import type { WriteReportContext, WrittenReport } from './write-report.ts';

/** Loads what writes the report when it is due, and only where it is wanted. */
export async function loadReport(
  options: Pick<ExtractOptions, 'report'>,
): Promise<(context: WriteReportContext) => Promise<WrittenReport>> {
  if (!options.report) return async ({ files }) => ({ files });
  return (await import('./write-report.ts')).writeReport;
}
