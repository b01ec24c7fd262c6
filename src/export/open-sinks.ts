import type { RecordBatch } from 'apache-arrow';
import type { WrittenFile } from '../storage/output-store.ts';
import type { Sink, SinkContext } from './sink.ts';

/** A new format is one file with an `open…Sink` and one line here; each is loaded on use. */
const FORMATS = {
  parquet: async () => {
    const { openParquetSink, prepareEncoder } = await import('./parquet/parquet-sink.ts');
    prepareEncoder();
    return openParquetSink;
  },
  json: async () => (await import('./json-sink.ts')).openJsonSink,
  csv: async () => (await import('./csv-sink.ts')).openCsvSink,
  npy: async () => (await import('./npy-sink.ts')).openNpySink,
  feather: async () => (await import('./feather-sink.ts')).openFeatherSink,
} satisfies Record<string, () => Promise<(context: SinkContext) => Sink | Promise<Sink>>>;

export type SinkFormat = keyof typeof FORMATS;

/** What `--format` takes, in the order of the documentation. */
export const SINK_FORMATS = Object.keys(FORMATS) as SinkFormat[];

export interface OpenSinksOptions extends SinkContext {
  readonly formats: readonly SinkFormat[];
}

/** Loads the code of formats ahead of use, and starts Parquet's thread: it costs nothing while others work. */
export async function preloadSinks(formats: readonly SinkFormat[]): Promise<void> {
  await Promise.all(formats.map((format) => FORMATS[format]()));
}

/** All formats of a run behind one: see {@link Sink} for the order of calls. */
export type Sinks = Sink;

/**
 * Opens a sink for each format; every call goes to all of them, one after the other.
 * After a failure, call `abort`.
 *
 * @throws ExportError from any of the calls
 */
export async function openSinks({ formats, ...context }: OpenSinksOptions): Promise<Sinks> {
  const sinks: Sink[] = [];
  const abort = () => each(sinks, (sink) => sink.abort());
  try {
    for (const format of new Set(formats)) {
      const open = await FORMATS[format]();
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
