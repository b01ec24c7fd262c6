import type { RecordBatch } from 'apache-arrow';
import type { OutputStore, WrittenFile } from '../storage/output-store.ts';
import type { FeatureSchema } from './features-table.ts';

/** One format being written. Calls come in the order beginPart, write…, endPart, …, finish. */
export interface Sink {
  beginPart(index: number): Promise<void>;
  /** Rows of the current part, in order. The batch's buffers may be reused once this resolves. */
  write(batch: RecordBatch): Promise<void>;
  endPart(): Promise<void>;
  /** Every file of this format, in the order written. */
  finish(): Promise<WrittenFile[]>;
  /** Removes what is not committed yet; safe at any time, and more than once. */
  abort(): Promise<void>;
}

export interface SinkContext {
  readonly store: OutputStore;
  readonly schema: FeatureSchema;
  /** Provenance for formats that have a place for it; the same for every part. No time stamps: the bytes of a run can be repeated. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Rows of all parts together, where the caller knows; NumPy's format needs it. */
  readonly rows?: number | undefined;
  /** Gets what the user should know of a finished file. */
  readonly onNote?: ((message: string) => void) | undefined;
}

/** The key of a file's provenance, in formats that have keys. */
export const METADATA_KEY = 'img2features';

/** Provenance as one text: two runs of the same give the same bytes. */
export function provenanceJson(metadata: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(metadata).sort()));
}

/** `parquet/part-00007.parquet` */
export function partName(format: string, index: number): string {
  return `${format}/part-${String(index).padStart(5, '0')}.${format}`;
}
