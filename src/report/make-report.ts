import { OptionError } from '../errors.ts';
import { type Collected, collectRows, type RunRows } from '../findings/collect-rows.ts';
import { featureSpace } from '../findings/feature-space.ts';
import {
  countFindings,
  type Findings,
  findFindings,
  findingsLines,
  firstOfEachKind,
  summarizeFindings,
} from '../findings/find-findings.ts';
import { type Finding, NEAR } from '../findings/finding.ts';
import { type Parts, partsByFolder } from '../findings/leaks.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import type { Reducer } from '../reduce/reducer.ts';
import type { Json } from '../run/fingerprint.ts';
import type { RunJson } from '../run/run-json.ts';
import { base64 } from './base64.ts';
import { choosePoints, pictureOrder } from './choose-points.ts';
import {
  MAX_POINTS,
  MAX_REJECTIONS,
  MAX_SHOWN,
  MAX_VALUE_BYTES,
  type PageData,
  type PageFindings,
  type PagePoints,
  type PageRejection,
  type PageThumbs,
} from './page-data.ts';
import { MAX_PIXEL_THUMBS, noThumbs, pixelThumbs } from './pixel-thumbs.ts';
import { previewReducer } from './preview-reducer.ts';
import { renderPage } from './render-page.ts';
import type { SourceImages } from './source-images.ts';

export interface ReportInput {
  readonly rows: RunRows;
  /** Rows of the run itself; those behind belong to the run that it is compared with. */
  readonly ownCount: number;
  /** Of the first output; undefined with --k 0. */
  readonly reducer: Reducer | undefined;
  /** The layer, or "pixels". */
  readonly output: string;
  readonly target: string;
  /** run.json, or what will become it. */
  readonly run: RunJson;
  readonly options: ExtractOptions;
  readonly rejections: readonly PageRejection[];
  /** Given the origin of each row. */
  readonly images: (originOf: (row: number) => string) => SourceImages;
  /** Folders to compare, or the parts of the rows; undefined: folders of the usual names. */
  readonly compare?: readonly string[] | Parts | undefined;
  /** Share of the typical distance; undefined: the mode's default. */
  readonly near?: number | undefined;
  /** Pictures to make; undefined: the default. */
  readonly thumbnails?: number | undefined;
  readonly signal: AbortSignal;
}

export interface Report {
  /** findings.jsonl */
  readonly findings: string;
  /** For run.json. */
  readonly summary: Json;
  readonly html: string;
}

/** Findings and page of one run. */
export async function makeReport(input: ReportInput): Promise<Report> {
  const { rows: source, ownCount, options, output } = input;
  const reducer = input.reducer ?? (await previewReducer(source, options.standardize));
  const space = reducer && featureSpace(reducer);
  const isPixels = options.mode === 'pixels' && source.dims > 0 && ownCount <= MAX_POINTS;
  const pixels = new Uint8Array(isPixels ? ownCount * source.dims : 0);
  const rows = await collectRows(source, reducer, space, (vectors, first) => {
    const room = pixels.length - first * source.dims;
    if (room > 0) pixels.set(vectors.subarray(0, room), first * source.dims);
  });
  const images = input.images((row) => rows.origins[row]);
  const { compare } = input;
  const parts =
    compare !== undefined && 'of' in compare ? compare : partsByFolder(rows.origins, compare);
  if (compare !== undefined && parts !== undefined) expectParts(parts);
  const near = input.near ?? NEAR[options.mode];
  const found = await findFindings({
    source,
    rows,
    ownCount,
    space,
    bodies: images,
    parts,
    near,
  });

  const shown = firstOfEachKind(found, MAX_SHOWN);
  const rowOf = rowsByOrigin(
    rows.origins,
    ownCount,
    shown.flatMap(({ origins }) => origins),
  );
  const first = shown.flatMap(({ origins }) => origins.flatMap((name) => rowOf.get(name) ?? []));
  const chosen = choosePoints(ownCount, first, MAX_POINTS);
  const pointOf = pointsByRow(chosen, ownCount);
  const order = pictureOrder(chosen, rows.targets, rows.classes.length, first);
  const thumbs = await makeThumbs(input, images, isPixels ? pixels : undefined, order, pointOf);
  const classCounts = rows.classes.map(() => 0);
  for (let row = 0; row < ownCount; row++) classCounts[rows.targets[row]] += 1;
  const data: PageData = {
    format: 1,
    target: input.target,
    run: input.run,
    rejected: input.rejections.slice(0, MAX_REJECTIONS),
    classes: rows.classes,
    classCounts,
    points: pagePoints(rows, chosen, ownCount, space?.typical ?? 1, output),
    variance: [...(reducer?.explainedVarianceRatio ?? [])],
    thumbs,
    findings: pageFindings(found, shown, (name) => {
      const row = rowOf.get(name);
      return row === undefined ? -1 : (pointOf(row) ?? -1);
    }),
  };
  return {
    findings: findingsLines(found),
    summary: summarizeFindings(found),
    html: await renderPage(data),
  };
}

async function makeThumbs(
  { options, thumbnails, signal }: ReportInput,
  images: SourceImages,
  pixels: Uint8Array | undefined,
  order: Iterable<number>,
  pointOf: (row: number) => number | undefined,
): Promise<PageThumbs> {
  if (thumbnails === 0) return noThumbs('No pictures were requested (--thumbnails 0).');
  if (pixels !== undefined && thumbnails === undefined) {
    const size = { side: 10, isBgr: options.seedCompat, most: MAX_PIXEL_THUMBS };
    return pixelThumbs(pixels, order, pointOf, size);
  }
  const { DEFAULT_THUMBS, sheetThumbs } = await import('./sheet-thumbs.ts');
  const { exif, maxPixels, tiff, imageTimeout, workers } = options;
  return sheetThumbs(images, order, pointOf, {
    most: thumbnails ?? (images.isLocal ? DEFAULT_THUMBS.files : DEFAULT_THUMBS.objects),
    isDefault: thumbnails === undefined,
    decode: { exif, maxPixels: maxPixels * 1e6, tiff },
    imageTimeoutMs: imageTimeout * 1000,
    workers,
    signal,
  });
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

function rowsByOrigin(origins: readonly string[], ownCount: number, wanted: readonly string[]) {
  const names = new Set(wanted);
  const rows = new Map<string, number>();
  for (let row = 0; row < ownCount && names.size > 0; row++) {
    if (names.has(origins[row])) rows.set(origins[row], row);
  }
  return rows;
}

function pointsByRow(chosen: Uint32Array, count: number): (row: number) => number | undefined {
  if (chosen.length === count) return (row) => row;
  const points = new Map<number, number>();
  chosen.forEach((row, point) => {
    points.set(row, point);
  });
  return (row) => points.get(row);
}

function pageFindings(
  found: Findings,
  shown: readonly Finding[],
  pointOf: (origin: string) => number,
): PageFindings {
  const { near, outlierScore, isComplete, measuredIn, parts } = found;
  return {
    counts: countFindings(found),
    near,
    outlierScore,
    isComplete,
    measuredIn,
    parts,
    shown: shown.map((finding) => ({ ...finding, points: finding.origins.map(pointOf) })),
  };
}

/** The chosen rows in the form that the page needs. @param ownRows rows of the run itself */
export function pagePoints(
  rows: Collected,
  chosen: Uint32Array,
  ownRows: number,
  typical: number,
  output: string,
): PagePoints {
  const n = chosen.length;
  const k = Math.min(rows.k, Math.max(2, Math.floor(MAX_VALUE_BYTES / (4 * Math.max(1, n)))));
  const values = new Float32Array(n * k);
  const targets = new Uint32Array(n);
  const shared = new Uint16Array(n);
  const rests: string[] = [];
  let last = '';
  chosen.forEach((row, i) => {
    for (let c = 0; c < k; c++) values[i * k + c] = rows.reduced[row * rows.k + c] / typical;
    targets[i] = rows.targets[row];
    const origin = rows.origins[row];
    const most = Math.min(last.length, origin.length, 0xffff);
    let same = 0;
    while (same < most && last.charCodeAt(same) === origin.charCodeAt(same)) same++;
    shared[i] = same;
    rests.push(origin.slice(same));
    last = origin;
  });
  return {
    count: n,
    rows: ownRows,
    k,
    output,
    values: base64(values),
    targets: base64(targets),
    shared: base64(shared),
    rests,
  };
}
