import { OptionError } from '../errors.ts';
import { type Collected, collectRows, type RunRows } from '../findings/collect-rows.ts';
import { featureSpace } from '../findings/feature-space.ts';
import {
  countFindings,
  type Findings,
  findFindings,
  findingsLines,
  firstOfEachKind,
  MAX_LISTED,
  summarizeFindings,
} from '../findings/find-findings.ts';
import { defaultNear, type Finding } from '../findings/finding.ts';
import { type Parts, partsByFolder, partsBySplit } from '../findings/leaks.ts';
import { previewReducer } from '../findings/preview-reducer.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { type MeasuredQuality, measureQuality } from '../quality/measure-quality.ts';
import { budgetOf } from '../quality/plan.ts';
import type { Reducer } from '../reduce/reducer.ts';
import type { Json } from '../run/fingerprint.ts';
import type { RunJson } from '../run/run-json.ts';
import { commandLine } from './command-line.ts';
import {
  MAX_POINTS,
  MAX_REJECTIONS,
  MAX_SHOWN_CHARS,
  type PageData,
  type PageFindings,
  type PageQuality,
  type PageRejection,
} from './page-data.ts';
import {
  choosePoints,
  classStrips,
  findingKinds,
  layersOf,
  pagePoints,
  pictureOrder,
  pointsByRow,
  rowsByOrigin,
} from './page-points.ts';
import { renderPage } from './render-page.ts';
import type { SourceImages } from './source-images.ts';
import { makeThumbs } from './thumbs.ts';

export interface ReportInput {
  readonly rows: RunRows;
  /** The same rows with the vectors of each layer, in the order of `labels`. */
  readonly layerRows: (layer: number) => RunRows;
  /** About how long the run takes: quality takes a share of it. */
  readonly expectedMs: number;
  /** Images of the run itself; those behind belong to the run that it is compared with. */
  readonly ownCount: number;
  /** Of each output; none with --k 0. */
  readonly reducers: readonly Reducer[];
  /** Each output's layer, or "pixels". */
  readonly labels: readonly string[];
  readonly target: string;
  /** run.json, or what will become it; asked for last, so that its times are those of the whole run. */
  readonly run: () => Promise<RunJson>;
  readonly options: ExtractOptions;
  readonly rejections: readonly PageRejection[];
  /** Given the origin of each row. */
  readonly images: (originOf: (row: number) => string) => SourceImages;
  /** Splits or folders to compare, or the parts of the rows; undefined: the splits, else folders of the usual names. */
  readonly compare?: readonly string[] | Parts | undefined;
  /** Share of the typical distance; undefined: the mode's default. */
  readonly near?: number | undefined;
  /** Pictures to make; undefined: the default. */
  readonly thumbnails?: number | undefined;
  /** The images may be read again for pictures where the table itself has some. */
  readonly readsImages?: boolean;
  readonly signal: AbortSignal;
}

export interface Report {
  /** findings.jsonl */
  readonly findings: string;
  /** For run.json. */
  readonly summary: Json;
  /** For run.json; undefined with --quality off. */
  readonly quality: Json | undefined;
  readonly html: string;
}

/** Findings and page of one run. */
export async function makeReport(input: ReportInput): Promise<Report> {
  const { rows: source, ownCount, options } = input;
  const reducer = input.reducers[0] ?? (await previewReducer(source, options.standardize));
  const space = reducer && featureSpace(reducer);
  const hasPixels = options.mode === 'pixels' && options.normalize !== 'l2';
  const isPixels = hasPixels && source.dims > 0 && ownCount <= MAX_POINTS;
  const pixels = new Uint8Array(isPixels ? ownCount * source.dims : 0);
  const rows = await collectRows(source, reducer, space, (vectors, first) => {
    const room = pixels.length - first * source.dims;
    if (room > 0) pixels.set(vectors.subarray(0, room), first * source.dims);
  });
  const images = input.images((row) => rows.origins[row]);
  const { compare } = input;
  const parts =
    compare !== undefined && 'of' in compare
      ? compare
      : ((rows.splits && partsBySplit(rows.splits, compare)) ??
        partsByFolder(rows.origins, compare));
  if (compare !== undefined && parts !== undefined) expectParts(parts);
  const near = input.near ?? defaultNear(options.mode, space);
  const found = await findFindings({ source, rows, ownCount, space, bodies: images, parts, near });

  const layers = layersOf(
    rows,
    input.labels,
    reducer === undefined ? [] : [reducer, ...input.reducers.slice(1)],
  );
  const kept = isPixels ? pixels : undefined;
  const measured =
    options.quality === 'off'
      ? undefined
      : await measureQuality({
          ...{ rows, ownCount, known: found.known, signal: input.signal },
          layers: input.labels.map((label, i) => {
            return { label, rows: input.layerRows(i), reducer: input.reducers[i] };
          }),
          budgetMs: options.quality === 'full' ? undefined : budgetOf(input.expectedMs),
        });
  const data = await pageData(input, {
    rows,
    found,
    measured,
    parts,
    layers,
    images,
    pixels: kept,
  });
  return {
    findings: findingsLines(found),
    summary: summarizeFindings(found),
    quality: (typeof measured === 'string' ? { none: measured } : measured?.quality) as Json,
    html: await renderPage(data),
  };
}

interface PageInput {
  readonly rows: Collected;
  readonly found: Findings;
  readonly measured: MeasuredQuality | string | undefined;
  readonly parts: Parts | undefined;
  readonly layers: ReturnType<typeof layersOf>;
  readonly images: SourceImages;
  readonly pixels: Uint8Array | undefined;
}

async function pageData(input: ReportInput, made: PageInput): Promise<PageData> {
  const { ownCount } = input;
  const { rows, found, measured, parts, layers, images, pixels } = made;
  const shown = shownFindings(found);
  const rowOf = rowsByOrigin(rows.origins, ownCount, found.findings);
  const rowsOf = ({ origins }: Finding) => origins.flatMap((name) => rowOf.get(name) ?? []);
  const mixedUp = shownPairs(measured);
  const mixedRows = mixedUp.flatMap((pair) => pair.rows);
  const chosen = choosePoints(ownCount, [...shown.flatMap(rowsOf), ...mixedRows], MAX_POINTS);
  const pointOf = pointsByRow(chosen, ownCount);
  const classCounts = rows.classes.map(() => 0);
  for (let row = 0; row < ownCount; row++) classCounts[rows.targets[row]] += 1;
  const strips = classStrips(rows, chosen, classCounts);
  const seenFirst = firstOfEachKind(found, FIRST_FINDINGS).flatMap((finding) => {
    return rowsOf(finding).slice(0, FIRST_IMAGES);
  });
  const first = [...seenFirst, ...mixedRows, ...strips.flat(), ...shown.flatMap(rowsOf)];
  const order = pictureOrder(chosen, rows.targets, rows.classes.length, first);
  const thumbs = await makeThumbs({
    ...input,
    images,
    pixels,
    order,
    count: chosen.length,
    pointOf,
  });
  const kinds = findingKinds(found.findings, rowOf, ownCount);
  const run = await input.run();
  const pairs = mixedUp.map(({ rows: of, ...pair }) => {
    return { ...pair, points: of.map((row) => pointOf(row) ?? -1) };
  });
  return {
    format: 2,
    target: input.target,
    command: commandLine(run, input.target),
    run,
    rejected: input.rejections.slice(0, MAX_REJECTIONS),
    classes: rows.classes,
    classCounts,
    points: pagePoints(rows, chosen, { layers, kinds, parts, ownRows: ownCount }),
    strips: strips.map((of) => of.flatMap((row) => pointOf(row) ?? [])),
    thumbs,
    ...(measured !== undefined && { quality: pageQuality(measured, pairs) }),
    findings: pageFindings(found, shown, (name) => {
      const row = rowOf.get(name);
      return row === undefined ? -1 : (pointOf(row) ?? -1);
    }),
  };
}

/** Classes mixed up that the page shows. */
const MOST_PAIRS = 24;

function shownPairs(measured: MeasuredQuality | string | undefined) {
  if (measured === undefined || typeof measured === 'string') return [];
  return measured.mixedUp.filter(({ target, taken }) => target !== taken).slice(0, MOST_PAIRS);
}

function pageQuality(
  measured: MeasuredQuality | string,
  pairs: PageQuality['pairs'],
): PageQuality | string {
  if (typeof measured === 'string') return measured;
  const confusion = measured.mixedUp.flatMap(({ target, taken, images }) => [
    target,
    taken,
    images,
  ]);
  return { ...measured.quality, classNames: measured.classes, confusion, pairs };
}

/** Findings of each kind whose pictures come before all others, and pictures of one: what the page shows at first. */
const FIRST_FINDINGS = 24;
const FIRST_IMAGES = 10;

/** The same number of each kind, as many as there is room for on the page. */
function shownFindings(found: Findings): Finding[] {
  for (let most = MAX_LISTED; ; most = Math.floor(most / 2)) {
    const shown = firstOfEachKind(found, most);
    if (most <= 100 || JSON.stringify(shown).length <= MAX_SHOWN_CHARS) return shown;
  }
}

/** @throws OptionError for a part that has no rows */
function expectParts({ names, of }: Parts): void {
  names.forEach((name, part) => {
    if (of.includes(part)) return;
    throw new OptionError(`Expected images in a folder ${name} for --compare but found none.`, {
      fix: 'Name two folders as they are written in the origins, such as Training and Test.',
    });
  });
}

function pageFindings(
  found: Findings,
  shown: readonly Finding[],
  pointOf: (origin: string) => number,
): PageFindings {
  const { findings: _, known: __, ...facts } = found;
  return {
    counts: countFindings(found),
    ...facts,
    shown: shown.map((finding) => ({ ...finding, points: finding.origins.map(pointOf) })),
  };
}
