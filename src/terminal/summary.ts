import type {
  FindingKind,
  KindCount,
  QualitySummary,
  RunSummary,
  UpdateCounts,
  UpdateReport,
} from '../events.ts';
import { printable } from '../json.ts';
import { describeSkipped } from '../source/skipped.ts';
import { andMore, formatBytes, formatCount, formatDuration, formatRate, plural } from './units.ts';

/** The summary of a run, for people. */
export function formatSummary(summary: RunSummary): string {
  const lines: string[] = [];
  const { timing, rows = summary.extracted } = summary;
  if (summary.wasComplete && summary.update !== undefined) {
    lines.push(
      `Nothing changed: ${formatUpdate(summary.update)}.`,
      `Up to date: ${formatCount(rows)} rows in ${summary.out}.`,
    );
    return `${lines.map(printable).join('\n')}\n`;
  }
  if (summary.wasComplete) {
    lines.push(
      `Already complete: ${formatCount(rows)} rows in ${summary.out} (--overwrite starts again).`,
      ...jobLines(summary),
    );
    return `${lines.map(printable).join('\n')}\n`;
  }
  lines.push(
    `${formatCount(rows)} rows, ${formatCount(summary.rejected)} rejected, ` +
      `of ${formatCount(summary.discovered)} images${formatWork(summary)}.`,
  );
  if (summary.update !== undefined) {
    lines.push(`  update: ${formatUpdate(summary.update)}; ${REDUCER[summary.update.reducer]}`);
  }
  for (const [reason, count] of Object.entries(summary.rejectedByReason)) {
    lines.push(`  rejected ${formatCount(count)} × ${reason}`);
  }
  if (summary.ignored > 0) lines.push(`  ${describeSkipped(summary.skipped ?? {})}`);
  for (const [name, share] of Object.entries(summary.explainedVariance)) {
    lines.push(`  ${name}: ${(100 * share).toFixed(1)}% of the variance explained`);
  }
  lines.push(
    `  time: list ${formatDuration(timing.listMs)}, extract ${formatDuration(timing.extractMs)}, ` +
      `reduce ${formatDuration(timing.reduceMs)}, export ${formatDuration(timing.exportMs)}` +
      (timing.reportMs > 0 ? `, report ${formatDuration(timing.reportMs)}` : ''),
    `  workers: read ${formatDuration(timing.readMs)}, decode ${formatDuration(timing.decodeMs)}, ` +
      `resize ${formatDuration(timing.resizeMs)} (summed over threads)`,
  );
  if (timing.engineBusyMs > 0) {
    const { engineWarmUpMs: warmUpMs } = timing;
    const warmUp = warmUpMs > 0 ? `, warmed up in ${formatDuration(warmUpMs)}` : '';
    lines.push(
      `  network: ${formatDuration(timing.engineBusyMs)} busy, ${formatRate(timing.engineImagesPerSecond)} images/s ` +
        `alone; started in ${formatDuration(timing.engineStartMs)}${warmUp}`,
    );
  }
  if (summary.findings !== undefined) {
    lines.push('Findings (report.html shows them):', ...describeFindings(summary.findings));
  }
  if (summary.quality !== undefined) lines.push(describeQuality(summary.quality));
  if (summary.job !== undefined) lines.push(...jobLines(summary));
  else lines.push(...tableLines(summary));
  if (summary.rejected > 0) lines.push('Bad images and why: rejected.jsonl.');
  return `${lines.map(printable).join('\n')}\n`;
}

function tableLines({ out, files }: RunSummary): string[] {
  const shown = files.slice(0, 8);
  return [
    `Table in ${out}:`,
    ...shown.map(({ name, bytes }) => `  ${name}  ${formatBytes(bytes)}`),
    ...andMore(files.length - shown.length, ' files'),
  ];
}

/** What a job has stored, and what makes a table of it; nothing for a run of its own. */
function jobLines({ job, out, discovered }: RunSummary): string[] {
  if (job === undefined) return [];
  const part = discovered > 0 ? `${formatCount(discovered)} of` : 'none of';
  const why = discovered > 0 ? '' : ' (there are more jobs than blocks of images)';
  return [
    `Job ${job.shard}, ${part} ${formatCount(job.images)} images${why}, is stored in ${out}.`,
    `When all ${job.shard.split('/')[1]} jobs have ended: img2features merge <the outputs of all> --out <folder>`,
  ];
}

/** Fewest new rows for which a rate is shown where others existed before: fewer are mostly start-up time. */
const LEAST_ROWS = 48;

/** How long it took and how fast it was: what this process did, without what was done before. */
function formatWork({ extracted, rows = extracted, computed, timing, jobs }: RunSummary): string {
  const time = formatDuration(timing.totalMs);
  if (jobs !== undefined) return `, joined from ${plural(jobs, 'job')} in ${time}`;
  const rate = `${formatRate(timing.pipelineImagesPerSecond)} images/s`;
  if (computed === rows) return ` in ${time}${computed > 0 ? ` (${rate})` : ''}`;
  const speed = computed < LEAST_ROWS ? '' : ` (${rate})`;
  return `; ${formatCount(computed)} of the rows computed now${speed}, all in ${time}`;
}

const REDUCER = {
  kept: 'scaler and PCA kept',
  refitted: 'scaler and PCA fitted again',
  none: 'no PCA',
} satisfies Record<UpdateReport['reducer'], string>;

/** `90 unchanged, 5 added, 2 changed, 1 removed, 3 rejected before and unchanged`. */
export function formatUpdate(update: UpdateCounts): string {
  const { unchanged, added, changed, removed, rejectedBefore, retried, relabelled } = update;
  const rare = [
    ...(retried > 0 ? [`${formatCount(retried)} rejected before and tried again`] : []),
    ...(relabelled > 0 ? [`${formatCount(relabelled)} with another target`] : []),
  ];
  return [
    `${formatCount(unchanged)} unchanged`,
    `${formatCount(added)} added`,
    `${formatCount(changed)} changed`,
    `${formatCount(removed)} removed`,
    `${formatCount(rejectedBefore)} rejected before and unchanged`,
    ...rare,
  ].join(', ');
}

const WORDS: Readonly<Record<FindingKind, (count: KindCount) => string>> = {
  leak: ({ findings }) => `${plural(findings, 'image')} also in another part (leaks)`,
  two_classes: ({ findings }) => `${formatCount(findings)} × the same image in two classes`,
  exact_duplicate: ({ findings, images: all }) =>
    `${plural(all, 'image')} in ${plural(findings, 'set')} of exact duplicates`,
  same_features: ({ findings, images: all }) =>
    `${plural(all, 'image')} in ${plural(findings, 'set')} with the same features`,
  near_duplicate: ({ findings, images: all }) =>
    `${plural(all, 'image')} in ${plural(findings, 'set')} of near duplicates`,
  outlier: ({ findings }) => `${plural(findings, 'image')} far from their class`,
};

/** `Quality: 91.2% of 620 images of Test are given their class by a linear probe on full vectors (fc2), 90.8% without copies.` */
export function describeQuality(quality: QualitySummary): string {
  if ('none' in quality) return `Quality: not measured: ${quality.none}.`;
  const { layer, vectors, method, neighbours = 1, accuracy, tested, test, withoutCopies } = quality;
  const nearest = neighbours === 1 ? 'the nearest image' : `the ${neighbours} nearest images`;
  const by = method === 'probe' ? 'a linear probe' : nearest;
  const share = (of: number) => `${(100 * of).toFixed(1)}%`;
  const copied = tested - withoutCopies.tested;
  const others =
    copied > 0 && withoutCopies.accuracy !== null
      ? `; ${share(withoutCopies.accuracy)} without ${formatCount(copied)} with a copy among those trained on`
      : '';
  const best =
    quality.isClear === undefined
      ? ''
      : quality.isClear
        ? '; this layer is the best'
        : '; the layers do not differ by more than chance';
  return `Quality: ${share(accuracy)} of ${formatCount(tested)} images${test === undefined ? ' (5 folds)' : ` of ${test}`} get their class by ${by} on ${vectors} vectors of ${layer}${others}${best}.`;
}

/** One line for each kind of finding that there is. */
export function describeFindings(counts: Readonly<Record<FindingKind, KindCount>>): string[] {
  const lines = Object.entries(counts)
    .filter(([, count]) => count.findings > 0)
    .map(([kind, count]) => `  ${WORDS[kind as FindingKind](count)}`);
  return lines.length === 0 ? ['  no copies, leaks or outliers found'] : lines;
}
