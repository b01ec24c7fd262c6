import { arch, cpus, platform, release } from 'node:os';
import { RunError } from '../errors.ts';
import { countSkipped, type Skipped } from '../source/skipped.ts';
import { type OutputStore, type WrittenFile, writeWhole } from '../storage/output-store.ts';
import type { Json } from './canonical-json.ts';
import type { Rejection } from './rejections.ts';

/** The result of a run, as the main loop passes it. */
export interface RunFacts {
  /** e.g. "extract". */
  readonly command: string;
  readonly version: string;
  /** Every option as resolved. */
  readonly options: { readonly [name: string]: Json | undefined };
  readonly fingerprint: string;
  readonly counts: {
    /** Images found, those rejected by the listing included. */
    readonly discovered: number;
    /** Rows written. */
    readonly extracted: number;
    /** What the listing left out. */
    readonly skipped: Skipped;
  };
  readonly rejections: Iterable<Pick<Rejection, 'reason'>>;
  /** Milliseconds by stage. */
  readonly stages: Readonly<Record<string, number>>;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** Device, reason, library; absent in pixels mode. */
  readonly device?: Json;
  /** Architecture, trained or not, SHA-256 of the weights; absent in pixels mode. */
  readonly model?: Json;
  /** k, explained variance …; absent with --k 0. */
  readonly reducer?: Json;
  /** How many rows an update of a finished run kept and computed; absent in a run from scratch. */
  readonly update?: Json;
  /** What the report found; absent without one. */
  readonly findings?: Json | undefined;
  /** Versions of what computed the bytes: sharp, TensorFlow, apache-arrow, … */
  readonly libraries: Readonly<Record<string, string>>;
  /** Every file of the output but run.json and _SUCCESS. */
  readonly files: readonly WrittenFile[];
}

/** run.json: see {@link buildRunJson}. */
export interface RunJson {
  readonly format: 1;
  readonly counts: {
    readonly discovered: number;
    readonly extracted: number;
    readonly rejected: number;
    readonly ignored: number;
    readonly skipped?: Skipped;
    readonly rejectedByReason: Readonly<Record<string, number>>;
  };
  readonly files: readonly WrittenFile[];
  readonly [name: string]: unknown;
}

/**
 * Builds run.json. It is the only file of a run with times in it, so that all others can be
 * made again byte for byte.
 *
 * @throws RunError unless discovered = extracted + rejected
 */
export function buildRunJson(facts: RunFacts): RunJson {
  const rejectedByReason: Record<string, number> = Object.create(null);
  let rejected = 0;
  for (const { reason } of facts.rejections) {
    rejectedByReason[reason] = (rejectedByReason[reason] ?? 0) + 1;
    rejected++;
  }
  const { discovered, extracted, skipped } = facts.counts;
  if (discovered !== extracted + rejected) {
    throw new RunError(
      `Expected ${discovered} images as rows or rejections but found ${extracted} rows and ${rejected} rejections; the run is not complete.`,
      { fix: 'This is a fault of img2features: please report it with the command that shows it.' },
    );
  }
  return {
    format: 1,
    tool: 'img2features',
    version: facts.version,
    command: facts.command,
    options: facts.options,
    fingerprint: facts.fingerprint,
    counts: {
      discovered,
      extracted,
      rejected,
      ignored: countSkipped(skipped),
      skipped,
      rejectedByReason: sortKeys(rejectedByReason),
    },
    model: facts.model,
    reducer: facts.reducer,
    update: facts.update,
    findings: facts.findings,
    device: facts.device,
    startedAt: facts.startedAt.toISOString(),
    finishedAt: facts.finishedAt.toISOString(),
    stagesMs: facts.stages,
    libraries: sortKeys(facts.libraries),
    machine: {
      node: process.versions.node,
      os: `${platform()} ${release()} ${arch()}`,
      cpu: cpus()[0]?.model ?? 'unknown',
      cpus: cpus().length,
    },
    files: facts.files,
  };
}

/** Writes run.json, then, last of all, `_SUCCESS`. */
export async function publishRun(store: OutputStore, run: RunJson): Promise<void> {
  await writeWhole(store, 'run.json', Buffer.from(`${JSON.stringify(run, null, 2)}\n`));
  await writeWhole(store, '_SUCCESS', Buffer.alloc(0));
}

function sortKeys<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
