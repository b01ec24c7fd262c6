import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Closers } from '../closers.ts';
import { OptionError } from '../errors.ts';
import { plainRows } from '../findings/collect-rows.ts';
import type { Parts } from '../findings/leaks.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { networkOf, outputNames } from '../pipeline/describe-run.ts';
import type { ComputedBy } from '../pipeline/run.ts';
import { workFolder } from '../pipeline/work-folder.ts';
import { isInStore } from '../place.ts';
import { expectedMs } from '../quality/plan.ts';
import { REPORT_FILES } from '../run/intact-files.ts';
import { lockWorkFolder } from '../run/lock-work-folder.ts';
import { readRejections } from '../run/rejections.ts';
import { publishRun, type RunJson, readNamedRun } from '../run/run-json.ts';
import { type StoreOptions, s3OptionsOf } from '../s3/s3-options.ts';
import { openOutput, openOutputForReading } from '../storage/open-output.ts';
import { imagesOfRun, joinRuns, readReducers, tableRows } from './finished-run.ts';
import { makeReport } from './make-report.ts';
import { MAX_REJECTIONS } from './page-data.ts';
import { writeReportFiles } from './write-report.ts';

export interface ReportRunOptions {
  /** The --out of a finished run. */
  readonly run: string;
  /** Two or more folders of its origins, or one finished run. */
  readonly compare?: readonly string[] | undefined;
  /** Share of the typical distance below which images are near duplicates. */
  readonly near?: number | undefined;
  /** Images with a picture. */
  readonly thumbnails?: number | undefined;
  /** Undefined: as the run did. */
  readonly quality?: ExtractOptions['quality'] | undefined;
  readonly stores: StoreOptions;
  readonly signal: AbortSignal;
}

export interface ReportRunResult {
  /** run.json as it is now. */
  readonly run: RunJson;
  readonly bytes: { readonly page: number; readonly findings: number };
}

/**
 * Writes findings.jsonl and report.html of a finished run again, from its table.
 * @throws RunError when the run is not complete; OptionError when there is nothing to compare
 */
export async function reportRun(options: ReportRunOptions): Promise<ReportRunResult> {
  const { stores, signal, compare } = options;
  const s3 = s3OptionsOf(stores);
  const reading = await openOutputForReading(options.run, { s3, signal });
  const closers = new Closers();
  closers.add(() => reading.close?.());
  try {
    const run = await readNamedRun(reading, 'report');
    const own = tableRows(reading, run);
    const images = await imagesOfRun(run, options.run, stores, signal);
    closers.add(images.close);
    let rows = own;
    let parts: Parts | readonly string[] | undefined = compare;
    if (compare?.length === 1) {
      const target = compare[0];
      expectRun(target);
      const store = await openOutputForReading(target, { s3, signal });
      closers.add(() => store.close?.());
      const other = await readNamedRun(store, '--compare');
      const joined = joinRuns(options.run, run, own, {
        target,
        run: other,
        rows: tableRows(store, other),
      });
      ({ rows, parts } = joined);
    }
    const made = run.options as ExtractOptions;
    const report = await makeReport({
      rows,
      layerRows: (layer) => tableRows(reading, run, layer),
      expectedMs: expectedMs(own.count, {
        mode: made.mode,
        ...networkOf(run as ComputedBy),
      }),
      ownCount: plainRows(own).count,
      reducers: await readReducers(reading, run),
      labels: outputNames(run),
      target: options.run,
      run: async () => withoutReport(run),
      options: {
        ...made,
        quality: options.quality ?? made.quality ?? 'auto',
        workers: Math.max(1, availableParallelism()),
      },
      rejections: (await readRejections(reading, run.files, MAX_REJECTIONS)) ?? [],
      images: (originOf) => images.of(originOf),
      compare: parts,
      near: options.near,
      thumbnails: options.thumbnails,
      readsImages: true,
      signal,
    });
    return await publish(options, run, report);
  } finally {
    await closers.close();
  }
}

function expectRun(target: string): void {
  if (isInStore(target, '--compare') || existsSync(join(target, 'run.json'))) return;
  throw new OptionError(
    `Expected two folders of the images, or a finished run, for --compare but found neither in ${target}.`,
    { fix: '--compare Training Test, or --compare other-features.' },
  );
}

/** What the run was before its report: that of an earlier one is not part of it. */
function withoutReport(run: RunJson): RunJson {
  const { findings: _, quality: __, ...rest } = run;
  return {
    ...rest,
    files: run.files.filter(({ name }) => !REPORT_FILES.includes(name)),
  } as RunJson;
}

/** The two files, then run.json that lists them; they become visible together, as at the end of a run. */
async function publish(
  { run: target, stores, signal }: ReportRunOptions,
  run: RunJson,
  report: Awaited<ReturnType<typeof makeReport>>,
): Promise<ReportRunResult> {
  const workDir = workFolder({
    out: target,
    workDir: (run.options as ExtractOptions).workDir,
    s3Endpoint: stores.s3Endpoint,
  });
  const lock = existsSync(workDir) ? await lockWorkFolder(workDir, target) : undefined;
  const output = await openOutput(target, { s3: s3OptionsOf(stores), signal, isHeld: true });
  try {
    const written = await writeReportFiles(output, report);
    const before = withoutReport(run);
    const files = [...before.files, ...written];
    const now: RunJson = { ...before, findings: report.summary, quality: report.quality, files };
    await publishRun(output, now);
    const [findings, page] = written;
    return { run: now, bytes: { page: page.bytes, findings: findings.bytes } };
  } finally {
    await output.close?.();
    await lock?.release();
  }
}
