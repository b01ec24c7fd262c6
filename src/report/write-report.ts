import { errnoOf, Interrupted, isImg2FeaturesError } from '../errors.ts';
import { outputLabels } from '../export/column-names.ts';
import { plainRows } from '../findings/collect-rows.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { describeComputing, networkOf, runFacts } from '../pipeline/describe-run.ts';
import type { RunEnd } from '../pipeline/run.ts';
import { storeRows } from '../pipeline/run-rows.ts';
import { expectedMs } from '../quality/plan.ts';
import type { Json } from '../run/fingerprint.ts';
import { buildRunJson } from '../run/run-json.ts';
import type { OutputFile, OutputStore, WrittenFile } from '../storage/output-store.ts';
import { makeReport, type Report } from './make-report.ts';
import { sourceImages } from './source-images.ts';

type WrittenTable = Pick<RunEnd, 'files' | 'splitCounts'>;

export interface WrittenReport {
  /** All files of the run, those of the report included where it was written. */
  readonly files: readonly WrittenFile[];
  /** For run.json. */
  readonly findings?: Json;
  readonly quality?: Json;
}

/** Loads what a report needs beside its own code, while the network computes. */
export async function preloadReport({ mode, thumbnails }: ExtractOptions): Promise<void> {
  if (mode !== 'pixels' && thumbnails !== 0) await import('sharp');
}

/**
 * Makes findings.jsonl and report.html at the end of a run, and writes them when the table is there. The table comes first: where
 * the report fails, the run warns of it and is still complete.
 * @param table files and counts of the table, which is still being written
 * @throws what `table` throws; Interrupted, or the signal's reason
 */
export async function writeReport(
  context: Omit<RunEnd, keyof WrittenTable>,
  table: Promise<WrittenTable>,
): Promise<WrittenReport> {
  const { options, extractor, source, manifest, output, reducers } = context;
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  // Its own time is what the run waits for.
  let begun = performance.now();
  table.then(
    () => {
      begun = performance.now();
    },
    (error) => failed.abort(error),
  );
  try {
    const rows = storeRows(context, reducers);
    const images = sourceImages(
      source,
      (row) => manifest.entry(rows.indices[row]),
      options.maxPixels * 1e6,
      signal,
    );
    const report = await makeReport({
      rows,
      layerRows: (layer) => storeRows(context, [], layer),
      expectedMs: expectedMs(rows.count, {
        mode: options.mode,
        ...networkOf(describeComputing(context)),
      }),
      ownCount: plainRows(rows).count,
      reducers,
      labels: outputLabels(extractor.outputs),
      target: output.target,
      // Its times are the last to be known: what follows is writing the page that holds them.
      run: async () => {
        await table;
        context.clock.add('report', performance.now() - begun);
        context.clock.stop();
        return buildRunJson(await runFacts({ ...context, ...(await table) }));
      },
      options,
      rejections: context.rejections,
      images: () => images,
      thumbnails: options.thumbnails,
      signal,
    });
    const written = await writeReportFiles(output, report);
    return {
      files: [...(await table).files, ...written],
      findings: report.summary,
      quality: report.quality,
    };
  } catch (error) {
    if (error instanceof Interrupted || signal.aborted) throw error;
    const why = isImg2FeaturesError(error) ? error.message : (errnoOf(error) ?? String(error));
    const message = `The report was not written: ${why} The table is complete; \`img2features report\` tries again.`;
    const { files } = await table;
    context.onEvent({ event: 'warning', message });
    return { files };
  }
}

/** Both or, after a failure, neither: a page must not refer to findings that are missing. */
export async function writeReportFiles(
  output: OutputStore,
  report: Report,
): Promise<WrittenFile[]> {
  const texts = { 'findings.jsonl': report.findings, 'report.html': report.html };
  const files: OutputFile[] = [];
  const written: WrittenFile[] = [];
  try {
    for (const [name, text] of Object.entries(texts)) {
      const file = await output.create(name);
      files.push(file);
      await file.write(Buffer.from(text));
      written.push(await file.commit());
    }
    return written;
  } catch (error) {
    for (const file of files) await file.abort();
    for (const { name } of written) await output.remove(name);
    throw error;
  }
}
