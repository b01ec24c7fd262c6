import type { RunSummary } from '../events.ts';
import { printable } from './escape.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from './units.ts';

/** The closing text of a run, for people. */
export function formatSummary(summary: RunSummary): string {
  const lines: string[] = [];
  const { timing } = summary;
  if (summary.wasComplete) {
    lines.push(
      `Already complete: ${formatCount(summary.extracted)} rows in ${summary.out} (--overwrite starts anew).`,
    );
    return `${lines.map(printable).join('\n')}\n`;
  }
  lines.push(
    `${formatCount(summary.extracted)} rows, ${formatCount(summary.rejected)} rejected, ` +
      `of ${formatCount(summary.discovered)} images in ${formatDuration(timing.totalMs)} ` +
      `(${formatRate(timing.pipelineImagesPerSecond)} images/s).`,
  );
  for (const [reason, count] of Object.entries(summary.rejectedByReason)) {
    lines.push(`  rejected ${formatCount(count)} × ${reason}`);
  }
  for (const [name, share] of Object.entries(summary.explainedVariance)) {
    lines.push(`  ${name}: ${(100 * share).toFixed(1)}% of the variance explained`);
  }
  lines.push(
    `  time: list ${formatDuration(timing.listMs)}, extract ${formatDuration(timing.extractMs)}, ` +
      `reduce ${formatDuration(timing.reduceMs)}, export ${formatDuration(timing.exportMs)}`,
    `  workers: read ${formatDuration(timing.readMs)}, decode ${formatDuration(timing.decodeMs)}, ` +
      `resize ${formatDuration(timing.resizeMs)} (summed over threads)`,
  );
  if (timing.engineBusyMs > 0) {
    lines.push(
      `  network: ${formatDuration(timing.engineBusyMs)} busy, ${formatRate(timing.engineImagesPerSecond)} images/s ` +
        `alone; started in ${formatDuration(timing.engineStartMs)}`,
    );
  }
  lines.push(`Table in ${summary.out}:`);
  const shown = summary.files.slice(0, 8);
  for (const file of shown) lines.push(`  ${file.name}  ${formatBytes(file.bytes)}`);
  if (summary.files.length > shown.length) {
    lines.push(`  … and ${formatCount(summary.files.length - shown.length)} more files`);
  }
  if (summary.rejected > 0) lines.push('Bad images and why: rejected.jsonl.');
  return `${lines.map(printable).join('\n')}\n`;
}
