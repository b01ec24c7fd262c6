import { arch, cpus, platform, release } from 'node:os';
import { RunError } from '../errors.ts';
import type { RunCounts } from '../events.ts';
import { MAX_JSON_BYTES, parseJson, show } from '../json.ts';
import { countSkipped, type Skipped } from '../source/skipped.ts';
import {
  type OutputStore,
  readWhole,
  type WrittenFile,
  writeWhole,
} from '../storage/output-store.ts';
import type { Json, RunIdentity } from './fingerprint.ts';
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
    /** Images with rows. */
    readonly extracted: number;
    /** Rows written, where those are several for an image. */
    readonly rows?: number | undefined;
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
  /** Rows of each split; absent where the table has none. */
  readonly splits?: Json | undefined;
  /** Names of the kept columns; absent where there are none. */
  readonly keptColumns?: Json | undefined;
  /** What the report found; absent without one. */
  readonly findings?: Json | undefined;
  /** Set in the output of one of several jobs, which holds no table. */
  readonly job?: JobJson;
  /** The jobs of a merged run. */
  readonly jobs?: Json | undefined;
  /** How well the features tell classes apart; absent without a report, and with --quality off. */
  readonly quality?: Json | undefined;
  /** Versions of what computed the bytes: sharp, TensorFlow, apache-arrow, … */
  readonly libraries: Readonly<Record<string, string>>;
  /** Every file of the output but run.json and _SUCCESS. */
  readonly files: readonly WrittenFile[];
}

/** What `merge` compares of the jobs. */
export interface JobJson {
  /** `3/16` */
  readonly shard: string;
  /** In the whole list. */
  readonly images: number;
  readonly manifestSha256: string;
  /** Of the run that they make together. */
  readonly identity: RunIdentity;
}

/** run.json: see {@link buildRunJson}. */
export interface RunJson {
  readonly format: 1;
  readonly counts: RunCounts;
  readonly files: readonly WrittenFile[];
  readonly job?: JobJson;
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
  const { discovered, extracted, rows, skipped } = facts.counts;
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
    job: facts.job,
    jobs: facts.jobs,
    options: facts.options,
    fingerprint: facts.fingerprint,
    counts: {
      discovered,
      extracted,
      ...(rows !== undefined && { rows }),
      rejected,
      ignored: countSkipped(skipped),
      skipped,
      rejectedByReason: sortKeys(rejectedByReason),
    },
    splits: facts.splits,
    keptColumns: facts.keptColumns,
    model: facts.model,
    reducer: facts.reducer,
    update: facts.update,
    findings: facts.findings,
    quality: facts.quality,
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

const FIX = 'Restore the file, or compute the table again with --overwrite.';

/**
 * run.json of another run, which an option names.
 * @param option as the user wrote it: `--with`, `--compare`, `report`
 * @param hasReducer its reducer.npz is needed, too
 * @throws RunError when that run is not complete, or has no reducer
 */
export async function readNamedRun(
  store: OutputStore,
  option: string,
  { hasReducer = false } = {},
): Promise<RunJson> {
  const names = await store.list('');
  const run = isComplete(names) ? await readRunJson(store) : undefined;
  if (run?.job !== undefined) {
    throw new RunError(
      `Expected a finished run for ${option} but found job ${run.job.shard} of one in ${store.target}, which holds no table.`,
      { fix: 'Join the jobs first: img2features merge <their outputs> --out <folder>.' },
    );
  }
  if (run !== undefined && (!hasReducer || names.includes('reducer.npz'))) return run;
  throw new RunError(
    `Expected a finished run${hasReducer ? ' with a reducer' : ''} for ${option} but found ${names.length === 0 ? 'nothing' : 'an incomplete one'} in ${store.target}.`,
    {
      fix: `Name the --out of a run that ended with _SUCCESS${hasReducer ? ' and had --k above 0' : ''}.`,
    },
  );
}

/**
 * run.json of the run that finished in this very output.
 * @throws RunError when it is missing
 */
export async function readOwnRun(output: OutputStore): Promise<RunJson> {
  const names = await output.list('');
  if (isComplete(names)) return readRunJson(output);
  throw new RunError(
    `Expected the finished run in ${output.target} to have its run.json and _SUCCESS but found them removed.`,
    { fix: 'Give --overwrite to compute the table again, or name another --out.' },
  );
}

/** @param names of the files at the top of an output */
function isComplete(names: readonly string[]): boolean {
  return names.includes('_SUCCESS') && names.includes('run.json');
}

/** @throws RunError for a run.json that no run wrote: what this program reads of it is checked */
export async function readRunJson(store: OutputStore): Promise<RunJson> {
  const name = `run.json of ${store.target}`;
  const text = (await readWhole(store, 'run.json', MAX_JSON_BYTES)).toString();
  const run = parseJson(text, { name, error: RunError, fix: FIX }) as RunJson;
  const wrong = faultOf(run);
  if (wrong === undefined) return run;
  throw new RunError(`Expected ${name} as a run writes it but found ${wrong}.`, { fix: FIX });
}

function faultOf(run: RunJson): string | undefined {
  if (run?.format !== 1) return `format ${show(run?.format)}`;
  const { counts, files, options } = run;
  const { discovered, extracted, rejected, ignored, rows = extracted } = counts ?? {};
  const numbers = [discovered, extracted, rejected, ignored, rows];
  const isWhole = [...numbers, ...valuesOf(counts?.rejectedByReason)].every(isCount);
  if (!isWhole) return `${show(counts)} as counts`;
  if (!isObject(options)) return `${show(options)} as options`;
  if (!Array.isArray(files)) return `${show(files)} as files`;
  const badFile = files.find((file) => !isFile(file));
  if (badFile !== undefined) return `${show(badFile)} among its files`;
  if (!valuesOf(run.splits ?? {}).every(isCount)) return `${show(run.splits)} as splits`;
  const kept = run.keptColumns ?? [];
  if (!Array.isArray(kept) || kept.some((name) => typeof name !== 'string')) {
    return `${show(kept)} as kept columns`;
  }
  const layers = run.model === undefined ? [] : (run.model as { layers?: unknown } | null)?.layers;
  const { job } = run;
  if (job !== undefined && !isJob(job)) return `${show(job)} as its job`;
  const isNetwork = Array.isArray(layers) && layers.every(isLayer);
  return isNetwork ? undefined : `${show(layers)} as layers of its model`;
}

function isJob(job: unknown): boolean {
  if (!isObject(job)) return false;
  const [index, of] = String(job.shard).split('/').map(Number);
  const isShard = isCount(index) && isCount(of) && index >= 1 && index <= of;
  return isShard && isCount(job.images) && isObject(job.identity) && isSha256(job.manifestSha256);
}

function isSha256(value: unknown): boolean {
  return /^[0-9a-f]{64}$/.test(String(value));
}

function isFile(file: unknown): boolean {
  if (!isObject(file)) return false;
  const { name, bytes, sha256 } = file;
  // A name must not lead out of the folder of the run.
  const isName = typeof name === 'string' && /^[^/\\]+(\/[^/\\]+)?$/.test(name);
  const isBelow = isName && !name.split('/').some((part) => part === '.' || part === '..');
  return isBelow && isCount(bytes) && isSha256(sha256);
}

function isLayer(layer: unknown): boolean {
  if (!isObject(layer)) return false;
  const isPool = ['none', 'avg', 'max'].includes(String(layer.pool));
  return typeof layer.layer === 'string' && isPool && isCount(layer.length);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function valuesOf(value: unknown): unknown[] {
  return isObject(value) ? Object.values(value) : [value];
}
