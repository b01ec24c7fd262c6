import type { RecordBatch } from 'apache-arrow';
import { FORMAT_NAMES, type FormatName } from '../options/extract-options.ts';
import type { WrittenFile } from '../storage/output-store.ts';
import type { FeatureSchema } from './features-table.ts';
import type { Sink, SinkContext } from './sink.ts';
import type { ReadTable } from './table-batch.ts';

/** A format: a file of its own here, with its sink and its reader, loaded on use. */
interface Format {
  readonly sink: () => Promise<(context: SinkContext) => Sink | Promise<Sink>>;
  /** Work that can be done before the first row is there. */
  readonly prepare?: (schema: FeatureSchema, rows: number) => Promise<void>;
  readonly reader: () => Promise<ReadTable>;
  /** Whether a table's vectors are reused from it bit for bit, one checked file at a time. */
  readonly isExact: boolean;
  /** Which format is read back, where there are several: the lowest. */
  readonly readRank: number;
}

const FORMATS: Readonly<Record<FormatName, Format>> = {
  parquet: {
    sink: async () => (await import('./parquet/parquet-sink.ts')).openParquetSink,
    prepare: async (schema, rows) => {
      (await import('./parquet/parquet-sink.ts')).prepareEncoder(schema, rows);
    },
    reader: async () => (await import('./parquet/parquet-reader.ts')).readParquetTable,
    isExact: true,
    readRank: 0,
  },
  json: {
    sink: async () => (await import('./json.ts')).openJsonSink,
    prepare: async () => (await import('./json.ts')).prepareJson(),
    reader: async () => (await import('./json.ts')).readJsonTable,
    isExact: true,
    readRank: 3,
  },
  csv: {
    sink: async () => (await import('./csv.ts')).openCsvSink,
    reader: async () => (await import('./csv.ts')).readCsvTable,
    // It holds reduced vectors.
    isExact: false,
    readRank: 4,
  },
  npy: {
    sink: async () => (await import('./npy.ts')).openNpySink,
    reader: async () => (await import('./npy.ts')).readNpyTable,
    // One file for all rows, which cannot be checked before it is read.
    isExact: false,
    readRank: 2,
  },
  feather: {
    sink: async () => (await import('./feather.ts')).openFeatherSink,
    reader: async () => (await import('./feather.ts')).readFeatherTable,
    isExact: true,
    readRank: 1,
  },
};

const BEST_FIRST = [...FORMAT_NAMES].sort((a, b) => FORMATS[a].readRank - FORMATS[b].readRank);

/** Loads the reader of a format. */
export function tableReader(format: FormatName): Promise<ReadTable> {
  return FORMATS[format].reader();
}

/** A run's files of a format, in the order written. */
export function filesOfFormat(files: readonly WrittenFile[], format: FormatName): WrittenFile[] {
  return files.filter(({ name }) => name.startsWith(`${format}/`));
}

/** The format to read a table back from; undefined where there is none. */
export function bestFormat(
  files: readonly WrittenFile[],
  { isExact = false }: { readonly isExact?: boolean } = {},
): FormatName | undefined {
  return BEST_FIRST.find((format) => {
    return (!isExact || FORMATS[format].isExact) && filesOfFormat(files, format).length > 0;
  });
}

interface OpenSinksOptions extends SinkContext {
  readonly formats: readonly FormatName[];
}

/**
 * Loads the code of formats ahead of use, and starts Parquet's thread: it costs no time while other work runs.
 * @param rows of the table, at most
 */
export async function preloadSinks(
  formats: readonly FormatName[],
  schema: FeatureSchema,
  rows: number,
): Promise<void> {
  await Promise.all(formats.map((format) => FORMATS[format].sink()));
  for (const format of formats) await FORMATS[format].prepare?.(schema, rows);
}

/**
 * Opens a sink for each format, as one: see {@link Sink} for the order of calls; every call goes to all of them, one after the other.
 * After a failure, call `abort`.
 *
 * @throws ExportError from any of the calls
 */
export async function openSinks({ formats, ...context }: OpenSinksOptions): Promise<Sink> {
  const sinks: Sink[] = [];
  const abort = () => each(sinks, (sink) => sink.abort());
  try {
    for (const format of new Set(formats)) {
      const open = await FORMATS[format].sink();
      sinks.push(await open(context));
    }
  } catch (error) {
    await abort();
    throw error;
  }
  return {
    beginPart: (index) => each(sinks, (sink) => sink.beginPart(index)),
    write: (batch: RecordBatch) => each(sinks, (sink) => sink.write(batch)),
    endPart: () => together(sinks, (sink) => sink.endPart()),
    async finish() {
      const files: WrittenFile[] = [];
      for (const sink of sinks) files.push(...(await sink.finish()));
      return files;
    },
    abort,
  };
}

// One after the other: Parquet is encoded in a thread meanwhile, and the others would only add their buffers.
async function each(sinks: readonly Sink[], call: (sink: Sink) => Promise<void>): Promise<void> {
  for (const sink of sinks) await call(sink);
}

/** At once: what takes time is the disk. A failure is thrown when all are done. */
async function together(
  sinks: readonly Sink[],
  call: (sink: Sink) => Promise<void>,
): Promise<void> {
  const results = await Promise.allSettled(sinks.map(call));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
