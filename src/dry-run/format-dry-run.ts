import { printable } from '../json.ts';
import { wantedImages } from '../pipeline/update/compare-manifests.ts';
import { describeSkipped } from '../source/skipped.ts';
import {
  andMore,
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  plural,
} from '../terminal/units.ts';
import type { DryRun } from './run-dry-run.ts';

/** Classes named one by one; a folder of a million images may have as many. */
const MOST_CLASSES = 40;
const MOST_UNUSABLE = 20;

/** For people. */
export function formatDryRun(run: DryRun): string {
  const lines = [
    `${run.input}: ${formatCount(run.images)} images, ${formatBytes(run.bytes)}, ` +
      `${formatCount(run.rejections.length)} unusable, ${describeSkipped(run.skipped)}.`,
    ...formatLines(run),
    ...classLines(run),
    ...nameLines(run),
    ...unusableLines(run),
    ...outputLines(run),
    ...timeLines(run),
    'Nothing was computed or written.',
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

function formatLines({ extensions, sample }: DryRun): string[] {
  const byName = Object.entries(extensions).map(([name, n]) => `${name} ${formatCount(n)}`);
  const inside = Object.entries(sample.formats).map(([name, n]) => `${name} ${formatCount(n)}`);
  return [
    `Formats: ${byName.join(', ') || 'none'}` +
      (sample.images > 0 ? `; of ${sample.images} looked into: ${inside.join(', ')}` : ''),
  ];
}

function classLines({ classes, classBytes }: DryRun): string[] {
  const names = Object.keys(classes);
  const shown = names.slice(0, MOST_CLASSES);
  const width = Math.min(40, Math.max(0, ...shown.map((name) => printable(name).length)));
  return [
    `Classes (${formatCount(names.length)}):`,
    ...shown.map((name) => {
      const count = formatCount(classes[name]).padStart(9);
      return `  ${name.padEnd(width)}${count}  ${formatBytes(classBytes[name]).padStart(9)}`;
    }),
    ...andMore(names.length - shown.length),
  ];
}

function nameLines({ repeatedNames, sameNameAndSize, repeatedExamples }: DryRun): string[] {
  if (repeatedNames === 0) return [];
  const alike =
    sameNameAndSize === 0
      ? ''
      : `, ${formatCount(sameNameAndSize)} of them with the same size twice: possibly the same image`;
  return [
    `${formatCount(repeatedNames)} file names occur in more than one folder (no row is lost by that)${alike}.`,
    ...(sameNameAndSize === 0
      ? []
      : repeatedExamples.map(({ origins }) => `  ${origins.join(' and ')}`)),
  ];
}

function unusableLines({ rejections, sample }: DryRun): string[] {
  return [
    ...rejections
      .slice(0, MOST_UNUSABLE)
      .map(({ origin, reason }) => `  unusable: ${origin} (${reason})`),
    ...andMore(rejections.length - MOST_UNUSABLE, ' unusable'),
    ...(sample.rejected.length > 0
      ? [`${sample.rejected.length} of the ${sample.images} images tried would be rejected:`]
      : []),
    ...sample.rejected
      .slice(0, MOST_UNUSABLE)
      .map(({ origin, reason, message }) => `  ${origin}: ${reason}. ${message}`),
  ];
}

function outputLines(run: DryRun): string[] {
  const { images, rows, output, columns, stateBytes, freeBytes, out } = run;
  const names = columns
    .map(({ name, length }) => (length === 1 ? name : `${name} [${formatCount(length)}]`))
    .join(', ');
  const sizes = output.map(({ format, bytes }) => `${format} up to ${formatBytes(bytes)}`);
  const needed = stateBytes + output.reduce((sum, { bytes }) => sum + bytes, 0);
  const lines = [
    `Columns: ${names}`,
    ...(rows > images ? [`Rows: ${formatCount(rows / images)} of each image`] : []),
    sizes.length === 0
      ? `Output: the job's rows ${formatBytes(stateBytes)}`
      : `Output: ${sizes.join(', ')}; the run's own state beside it ${formatBytes(stateBytes)}`,
  ];
  if (freeBytes !== null && needed > freeBytes) {
    lines.push(
      `Too little room: ${formatBytes(freeBytes)} are free for ${out}, up to ${formatBytes(needed)} are needed.`,
    );
  }
  return lines;
}

const SOURCES = {
  run: 'as the last run here made',
  doctor: 'as doctor measured',
  'dry-run': 'measured just now on a batch or two',
} as const;

function timeLines({ time, sample, network, notes, images, update }: DryRun): string[] {
  if (images === 0) return [...notes];
  if (update && wantedImages(update) === 0) return ['Time: there is nothing to compute.', ...notes];
  const decode =
    sample.imagesPerSecond !== null &&
    `decoding ${formatRate(sample.imagesPerSecond)} images/s on ${plural(sample.workers, 'thread')} (${sample.images} tried)`;
  const compute =
    network !== null &&
    `network ${formatRate(network.imagesPerSecond)} images/s on ${network.device} (${SOURCES[network.from]})`;
  const basis = [decode, compute].filter(Boolean).join(', ');
  if (time === null) return [`Time: not known; ${basis}.`, ...notes];
  const say = (seconds: number) => formatDuration(1000 * seconds);
  return [
    `Time: about ${say(time.seconds)}, between ${say(time.least)} and ${say(time.most)}: ${basis}.`,
    ...notes,
  ];
}
