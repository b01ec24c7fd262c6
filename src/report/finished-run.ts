import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isImg2FeaturesError, OptionError, RunError } from '../errors.ts';
import { matrixColumns, SPLIT } from '../export/column-names.ts';
import { bestFormat, filesOfFormat, tableReader } from '../export/formats.ts';
import { expectNoFaults } from '../export/table-batch.ts';
import { plainRows, type RunRows } from '../findings/collect-rows.ts';
import type { Parts } from '../findings/leaks.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { identityValues, keysForAllModes } from '../options/option-keys.ts';
import { firstOutput, outputNames, tableColumns } from '../pipeline/describe-run.ts';
import { workFolder } from '../pipeline/work-folder.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { readReducerFile } from '../reduce/reducer-file.ts';
import { intactFiles, readIntact } from '../run/intact-files.ts';
import { readManifest } from '../run/manifest.ts';
import { readRunIdentity } from '../run/run-identity.ts';
import type { RunJson } from '../run/run-json.ts';
import { type StoreOptions, s3OptionsOf } from '../s3/s3-options.ts';
import { openSource } from '../source/open-source.ts';
import type { Source, SourceEntry } from '../source/source.ts';
import type { OutputStore } from '../storage/output-store.ts';
import { NO_IMAGES, type SourceImages, sourceImages } from './source-images.ts';

/** One for each output; none with --k 0. */
export async function readReducers(store: OutputStore, run: RunJson): Promise<Reducer[]> {
  const file = run.files.find(({ name }) => name === 'reducer.npz');
  return file === undefined ? [] : [...readReducerFile(await readIntact(store, file)).values()];
}

/**
 * The images of a finished run by origin, where they still are: as its list of images says, else as the
 * origins themselves do.
 */
export async function imagesOfRun(
  run: RunJson,
  target: string,
  stores: StoreOptions,
  signal: AbortSignal,
): Promise<{ of(originOf: (row: number) => string): SourceImages; close(): Promise<void> }> {
  const options = run.options as ExtractOptions;
  const source = openInput(options, stores);
  const entries = await listedEntries(options, target, stores);
  const none = { of: () => NO_IMAGES, close: async () => source?.close?.() };
  if (
    source === undefined ||
    (entries === undefined && (!source.isLocal || source.fileOf !== undefined))
  )
    return none;
  const find = (origin: string) =>
    entries === undefined ? guessEntry(origin, options) : entries.get(origin);
  const maxPixels = options.maxPixels * 1e6;
  return {
    of: (originOf) => sourceImages(source, (row) => find(originOf(row)), maxPixels, signal),
    close: async () => source.close?.(),
  };
}

/** The source of a run's images; undefined where it is not there any more. */
export function openInput(options: ExtractOptions, stores: StoreOptions): Source | undefined {
  try {
    return openSource(options.input, { originForm: options.origin, s3: s3OptionsOf(stores) });
  } catch (error) {
    // Moved or unmounted: the table can still be reported on.
    if (isImg2FeaturesError(error)) return undefined;
    throw error;
  }
}

async function listedEntries(
  options: ExtractOptions,
  target: string,
  { s3Endpoint }: StoreOptions,
): Promise<Map<string, SourceEntry> | undefined> {
  const folder = workFolder({ out: target, workDir: options.workDir, s3Endpoint });
  const path = join(folder, 'manifest.jsonl');
  if (!existsSync(path)) return undefined;
  const manifest = await readManifest(path);
  const identity = await readRunIdentity(folder);
  if (identity !== undefined && identity.manifestSha256 !== manifest.sha256) {
    throw new RunError(`Expected the list of images of the run in ${path} but found another.`, {
      fix: 'Restore that file, or compute the table again with --overwrite.',
    });
  }
  const entries = new Map<string, SourceEntry>();
  for (let i = 0; i < manifest.count; i++) {
    const entry = manifest.entry(i);
    entries.set(entry.origin, entry);
  }
  return entries;
}

/** Where a file is by its origin alone; its size and version are not known then. */
function guessEntry(origin: string, options: ExtractOptions): SourceEntry | undefined {
  const location = origin.startsWith('file://')
    ? fileURLToPath(origin)
    : options.origin === 'relative'
      ? join(options.input, origin)
      : origin;
  return { origin, target: '', location, size: 0, version: '' };
}

/**
 * The rows of a finished table, from that of its formats which holds most.
 * @param layer whose vectors they have; only of the first must there be some
 * @throws RunError when it holds none that can be read back, or no origins
 */
export function tableRows(store: OutputStore, run: RunJson, layer = 0): RunRows {
  const all = tableColumns(run);
  const format = bestFormat(run.files);
  const hasOrigin = all.some(({ kind }) => kind === 'origin');
  const columns = (format === 'csv' ? matrixColumns(all) : all).filter(
    ({ output, kind }) => output < 0 || output === layer || (layer === 0 && kind === 'reduced'),
  );
  const vector = columns.find(({ kind }) => kind === 'vector');
  const reduced = columns.find(({ kind, output }) => kind === 'reduced' && output === layer);
  // None of a layer that --columns left out.
  const others = outputNames(run)
    .slice(1)
    .map((_, i) => columns.find(({ kind, output }) => kind === 'reduced' && output === i + 1));
  const hasFeatures = (vector ?? reduced) !== undefined || layer > 0;
  if (format === undefined || !hasOrigin || !hasFeatures) {
    throw new RunError(
      `Expected a table with origins and features but found ${hasOrigin ? 'no features' : 'no origins'} in ${store.target}.`,
      { fix: 'Run the extraction without --columns, or with origin and a column of features.' },
    );
  }
  return {
    count: run.counts.rows ?? run.counts.extracted,
    views: (run.options as Partial<ExtractOptions>).views ?? 1,
    dims: vector?.length ?? 0,
    k: reduced?.length ?? 0,
    others: others.map((column) => column?.length ?? 0),
    async *batches() {
      const read = await tableReader(format);
      const files = intactFiles(store, run.files);
      for (const { name } of filesOfFormat(run.files, format)) {
        for await (const batch of read(files, name, columns)) {
          expectNoFaults(batch, name);
          const { n, origins = [], targets = Array(n).fill(''), texts, numbers } = batch;
          const of = (column: typeof vector) => column && numbers.get(column.name);
          const reducedOf = (column: typeof vector) =>
            (of(column) as Float64Array | undefined) ?? new Float64Array(0);
          yield {
            n,
            origins,
            targets,
            splits: texts.get(SPLIT),
            vectors: (of(vector) as Float32Array | undefined) ?? new Float32Array(0),
            reduced: reducedOf(reduced),
            others: others.map(reducedOf),
          };
        }
      }
    },
  };
}

/** A run that another is compared with. */
interface OtherRun {
  readonly target: string;
  readonly run: RunJson;
  readonly rows: RunRows;
}

/**
 * View 0 of both runs' images one after the other; reduced vectors are computed again for all, by one reducer.
 * @throws OptionError when their features cannot be compared
 */
export function joinRuns(
  target: string,
  run: RunJson,
  rows: RunRows,
  other: OtherRun,
): { readonly rows: RunRows; readonly parts: Parts } {
  const differences = differencesOf(run, other.run);
  if (rows.dims === 0 || rows.dims !== other.rows.dims) {
    differences.push('one table has no vectors, or vectors of another length');
  }
  if (differences.length > 0) {
    throw new OptionError(
      `Expected runs with the same features for --compare but found others in ${other.target}: ${differences.join('; ')}.`,
      {
        fix: `Make that table with the options of this one: img2features transform … --with ${target}`,
      },
    );
  }
  const [own, others] = [plainRows(rows), plainRows(other.rows)];
  const count = own.count + others.count;
  const of = new Int8Array(count).fill(1);
  of.fill(0, own.count);
  return {
    rows: {
      count,
      dims: rows.dims,
      k: 0,
      others: rows.others,
      async *batches() {
        yield* own.batches();
        for await (const batch of others.batches()) yield { ...batch, others: [] };
      },
    },
    parts: { names: [other.target, target], of },
  };
}

function differencesOf(run: RunJson, other: RunJson): string[] {
  const facts = (of: RunJson): Record<string, unknown> => {
    const options = of.options as ExtractOptions;
    const model = of.model as { weightsSha256: string; preprocessing: string } | undefined;
    const { layer, pool } = firstOutput(of);
    const { weightsSha256, preprocessing } = model ?? {};
    return {
      mode: options.mode,
      ...identityValues(options, keysForAllModes('vectors')),
      ...{ layer, pool, preprocessing, weightsSha256 },
    };
  };
  const [here, there] = [facts(run), facts(other)];
  return Object.keys(here)
    .filter((name) => here[name] !== there[name])
    .map((name) => `${name} is ${here[name]} here, ${there[name]} there`);
}
