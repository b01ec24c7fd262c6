import { errnoOf, Interrupted, isImg2FeaturesError } from '../errors.ts';
import type { RunEvent } from '../events.ts';
import { type RunEnd, runFacts } from '../pipeline/describe-run.ts';
import type { Json } from '../run/canonical-json.ts';
import { buildRunJson } from '../run/run-json.ts';
import type { Source } from '../source/source.ts';
import type { OutputFile, OutputStore, WrittenFile } from '../storage/output-store.ts';
import { makeReport, type Report } from './make-report.ts';
import { sourceImages } from './source-images.ts';
import { storeRows } from './store-rows.ts';

/** The end of a run, and where its images come from and its files go. */
export interface WriteReportContext extends RunEnd {
  readonly source: Source;
  readonly output: OutputStore;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

export interface WrittenReport {
  /** All files of the run, those of the report included where it was written. */
  readonly files: readonly WrittenFile[];
  /** For run.json. */
  readonly findings?: Json;
}

/**
 * Writes findings.jsonl and report.html at the end of a run. The table comes first: where the report fails, the
 * run is warned of it and complete all the same.
 * @throws Interrupted, or the signal's reason, alone
 */
export async function writeReport(context: WriteReportContext): Promise<WrittenReport> {
  const { options, extractor, source, manifest, store, output, reducers, files, signal } = context;
  try {
    const first = extractor.outputs[0]!;
    const rows = storeRows(store, manifest, first.length, reducers[0]);
    const images = sourceImages(
      source,
      (row) => manifest.entry(rows.indices[row]!),
      options.maxPixels * 1e6,
      signal,
    );
    const report = await makeReport({
      rows,
      ownCount: rows.count,
      reducer: reducers[0],
      output: first.layer,
      target: output.target,
      run: buildRunJson(await runFacts(context)),
      options,
      rejections: context.rejections,
      images: () => images,
      thumbnails: options.thumbnails,
      signal,
    });
    const written = await writeReportFiles(output, report);
    return { files: [...files, ...written], findings: report.summary };
  } catch (error) {
    if (error instanceof Interrupted || signal.aborted) throw error;
    const why = isImg2FeaturesError(error) ? error.message : (errnoOf(error) ?? String(error));
    const message = `The report was not written: ${why} The table is complete; \`img2features report\` tries again.`;
    context.onEvent({ event: 'warning', message });
    return { files };
  }
}

/** Both or, after a failure, neither: a page must not speak of findings that are not there. */
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
