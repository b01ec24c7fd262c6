import {
  type FeatureColumn,
  matrixColumns,
  type NumberType,
  numericColumns,
  VALUE_BYTES,
} from '../export/column-names.ts';
import type { FormatName } from '../options/extract-options.ts';
import type { Device } from '../runtime/choose-device.ts';

/** Bytes a format will take at most. JSON-able. */
export interface ExpectedOutput {
  readonly format: FormatName;
  readonly bytes: number;
}

/** What text takes for one value at most: `-1.2345678e-10,` and `-1.2345678901234567e-100,`. */
const TEXT_BYTES = { float16: 16, float32: 16, float64: 25, int32: 12 } as const satisfies Record<
  NumberType,
  number
>;
/** Whole numbers from 0 to 255: `255.0,`. */
const PIXEL_TEXT_BYTES = 6;
/** Of the view: an int32, or text such as `99,`. */
const VIEW_BYTES = 4;

export interface TableShape {
  readonly rows: number;
  readonly columns: readonly FeatureColumn[];
  /** UTF-8 bytes of all texts. */
  readonly nameBytes: number;
  readonly isPixels: boolean;
}

/**
 * The most that each format will take. Binary formats take their values and names, and a little; Parquet compresses
 * them (by how much depends on the images), text depends on the digits.
 */
export function expectedOutput(
  formats: readonly FormatName[],
  { rows, columns, nameBytes, isPixels }: TableShape,
): ExpectedOutput[] {
  const numeric = numericColumns(columns);
  const view = columns.some(({ kind }) => kind === 'view') ? VIEW_BYTES : 0;
  const binary = sum(numeric, ({ type, length }) => length * VALUE_BYTES[type as NumberType]);
  const textOf = ({ kind, type, length }: FeatureColumn) =>
    length * (kind === 'vector' && isPixels ? PIXEL_TEXT_BYTES : TEXT_BYTES[type as NumberType]);
  const keys = sum(columns, ({ name }) => name.length + 8);
  const inCsv = matrixColumns(numeric);
  // Lists and text have an offset for each cell; headers and footers a few kB for each file.
  const offsets = 4 * columns.length;
  const bytesOf: Readonly<Record<FormatName, number>> = {
    parquet: rows * (binary + view + offsets) + nameBytes + 8192,
    feather: rows * (binary + view + offsets) + nameBytes + 8192,
    npy: rows * (binary + (view && view + 8) + 28) + nameBytes + 128 * numeric.length,
    // Escapes could make names longer; most have none.
    json: rows * (sum(numeric, textOf) + view + keys) + nameBytes,
    csv:
      rows * (sum(inCsv, textOf) + view + 4) + nameBytes + 12 * sum(inCsv, ({ length }) => length),
  };
  return formats.map((format) => ({ format, bytes: bytesOf[format] }));
}

/** Bytes that the run's own state takes beside the table: every vector, as float32. */
export function expectedStateBytes({
  rows,
  columns,
}: Pick<TableShape, 'rows' | 'columns'>): number {
  return rows * sum(columns, ({ kind, length }) => (kind === 'vector' ? 4 * length : 0));
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}

export interface NetworkRate {
  readonly device: Device;
  readonly imagesPerSecond: number;
  /** Where the figure is from. */
  readonly from: 'run' | 'doctor' | 'dry-run';
}

/** JSON-able; seconds. */
export interface ExpectedTime {
  readonly seconds: number;
  readonly least: number;
  readonly most: number;
}

/** Starting, listing, fitting and writing: for any number of images. */
const FIXED_SECONDS = { pixels: 0.8, network: 3 } as const;

/**
 * How long a run should take. On a GPU decoding and the network run in parallel, on a CPU they share
 * its cores. The range shows how exact such figures are: what is measured in two seconds on a few images may be
 * off by a half, a rate of a whole run by a quarter.
 * @param decodePerSecond null where nothing could be tried
 */
export function expectedTime(
  images: number,
  decodePerSecond: number | null,
  network: NetworkRate | 'none' | undefined,
  views = 1,
): ExpectedTime | undefined {
  if (network === undefined || decodePerSecond === null) return undefined;
  const decode = images / decodePerSecond;
  if (network === 'none') return range(FIXED_SECONDS.pixels + decode, 0.6, 1.8);
  const compute = (images * views) / network.imagesPerSecond;
  const work = network.device === 'cuda' ? Math.max(decode, compute) : decode + compute;
  const isOfRun = network.from === 'run';
  return range(FIXED_SECONDS.network + work, isOfRun ? 0.8 : 0.65, isOfRun ? 1.3 : 1.6);
}

function range(seconds: number, least: number, most: number): ExpectedTime {
  return { seconds, least: seconds * least, most: seconds * most };
}
