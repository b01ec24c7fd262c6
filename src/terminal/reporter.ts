import type { ProgressEvent, RunEvent } from '../events.ts';
import { printable, printableJson } from '../json.ts';
import { describeSkipped } from '../source/skipped.ts';
import { createPaint } from './colors.ts';
import { formatSummary, formatUpdate } from './summary.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from './units.ts';

export interface ReporterOptions {
  /** `json`: every event as one line on stdout and nothing else; `text`: for people. */
  readonly log: 'text' | 'json';
  /** Only the final summary (text) or events other than progress (json). */
  readonly quiet: boolean;
  /** stderr is a terminal: the progress line is redrawn in place. */
  readonly isTerminal: boolean;
  /** Columns of that terminal. */
  readonly columns: number;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Milliseconds; injected so that tests need not wait. */
  readonly now: () => number;
  /** Whether each stream gets colours; neither where it is not said. */
  readonly colors?: { readonly stdout: boolean; readonly stderr: boolean };
}

/** Lines of bad images shown; after them only the count grows. All of them are in rejected.jsonl. */
const MAX_REJECTIONS_SHOWN = 10;
const REDRAW_MS = 100;
/** Empties the line that the cursor is on, so that it can be written again. */
export const CLEAR_LINE = '\r\x1b[2K';
/** Time between plain progress lines (no terminal). */
const PLAIN_MS = 10_000;

export interface Reporter {
  handle(event: RunEvent): void;
  /** Ends a progress line that is still open, so that what follows starts on its own line. */
  close(): void;
}

export function createReporter(options: ReporterOptions): Reporter {
  return options.log === 'json' ? jsonReporter(options) : textReporter(options);
}

function jsonReporter({ stdout, quiet }: ReporterOptions): Reporter {
  return {
    handle(event) {
      if (!(quiet && event.event === 'progress')) stdout(`${printableJson(event)}\n`);
    },
    close() {},
  };
}

function textReporter(options: ReporterOptions): Reporter {
  const { stdout, stderr, quiet, isTerminal, now } = options;
  let lineIsOpen = false;
  let lastProgressAt = isTerminal ? Number.NEGATIVE_INFINITY : now();
  let rejectionsShown = 0;

  const paint = createPaint(options.colors?.stderr === true);

  /** @param head printed before the text, in colour */
  function line(text: string | undefined, head = ''): void {
    if (quiet || text === undefined) return;
    clearLine();
    stderr(`${head}${printable(text)}\n`);
  }

  function clearLine(): void {
    if (lineIsOpen) stderr(CLEAR_LINE);
    lineIsOpen = false;
  }

  function progress(event: ProgressEvent): void {
    const isLast = event.done === event.total;
    if (quiet || (!isLast && now() - lastProgressAt < (isTerminal ? REDRAW_MS : PLAIN_MS))) return;
    lastProgressAt = now();
    if (!isTerminal) {
      line(formatProgress(event));
      return;
    }
    stderr(`${CLEAR_LINE}${formatBar(event, options.columns)}`);
    lineIsOpen = true;
  }

  return {
    handle(event) {
      switch (event.event) {
        case 'note':
          return line(event.message);
        case 'warning':
          return line(event.message, paint.yellow('Warning: '));
        case 'listed':
          return line(
            `Found ${formatCount(event.images)} images (${formatBytes(event.bytes)})` +
              `${event.rejected > 0 ? `, ${formatCount(event.rejected)} already unusable` : ''}` +
              `${event.ignored > 0 ? `, ${describeSkipped(event.skipped)}` : ''}.`,
          );
        case 'engine':
          return line(
            `Device: ${event.device} (${event.deviceReason}); ${event.library}, ready in ${formatDuration(event.startupMs)}.`,
          );
        case 'resumed':
          return line(
            `Resuming: ${formatCount(event.images)} of ${formatCount(event.total)} images are done.`,
          );
        case 'update':
          return line(`Since the finished run: ${formatUpdate(event)}.`);
        case 'rejected':
          rejectionsShown += 1;
          if (rejectionsShown <= MAX_REJECTIONS_SHOWN) {
            line(`${event.origin}: ${event.reason}. ${event.message}`, paint.red('Rejected '));
          } else if (rejectionsShown === MAX_REJECTIONS_SHOWN + 1) {
            line('More images are rejected; rejected.jsonl will list them all.');
          }
          return;
        case 'progress':
          return progress(event);
        case 'stage':
          return line(STAGES[event.stage](event.detail ?? ''));
        case 'finished':
          clearLine();
          return stdout(formatSummary(event.summary));
      }
    },
    close: clearLine,
  };
}

type Stage = Extract<RunEvent, { readonly event: 'stage' }>['stage'];

/** What the run does, or waits for, as one line; extraction has a progress bar. */
const STAGES: Readonly<Record<Stage, (detail: string) => string | undefined>> = {
  list: (detail) => `Listing the images of ${detail} …`,
  engine: (detail) => `Waiting for the network to start on ${detail} …`,
  'warm-up': () => 'Choosing the batch and warming up …',
  extract: () => undefined,
  reduce: () => 'Fitting the reducer …',
  export: () => 'Writing the table …',
  report: () => 'Writing the report …',
};

function formatProgress(event: ProgressEvent): string {
  const { done, total, decoded, rejected, imagesPerSecond, secondsLeft } = event;
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  const left = done === total ? '' : `, ${formatDuration((secondsLeft ?? 0) * 1000)} left`;
  const speed =
    secondsLeft === null
      ? `${formatCount(decoded)} decoded`
      : `${formatRate(imagesPerSecond)} images/s${left}`;
  return (
    `${percent}% ${formatCount(done)}/${formatCount(total)} images, ${speed}, ` +
    `${formatCount(rejected)} rejected`
  );
}

function formatBar(event: ProgressEvent, columns: number): string {
  const text = formatProgress(event);
  const room = Math.min(30, columns - text.length - 4);
  if (room < 5) return text.slice(0, columns - 1);
  const share = (images: number) =>
    event.total === 0 ? room : Math.round((room * images) / event.total);
  const [done, decoded] = [share(event.done), share(event.decoded)];
  return `[${'#'.repeat(done)}${'='.repeat(decoded - done)}${'-'.repeat(room - decoded)}] ${text}`;
}

/** A progress line for downloads and conversions, on a terminal only. */
export function createByteProgress(
  { isTerminal, stderr, now }: Pick<ReporterOptions, 'isTerminal' | 'stderr' | 'now'>,
  isSilent: boolean,
) {
  let lastAt = Number.NEGATIVE_INFINITY;
  let isOpen = false;
  return {
    show(stage: string, done: number, total: number | undefined): void {
      if (!isTerminal || isSilent || now() - lastAt < REDRAW_MS) return;
      lastAt = now();
      isOpen = true;
      const share = total ? `${Math.floor((100 * done) / total)}% ` : '';
      const size = total ? `${formatBytes(done)} of ${formatBytes(total)}` : formatBytes(done);
      stderr(`${CLEAR_LINE}${stage} ${share}${size}`);
    },
    close(): void {
      if (isOpen) stderr(CLEAR_LINE);
      isOpen = false;
    },
  };
}
