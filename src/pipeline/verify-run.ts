import { createHash } from 'node:crypto';
import { isImg2FeaturesError } from '../errors.ts';
import type { FeatureColumn } from '../export/column-names.ts';
import { filesOfFormat, tableReader } from '../export/formats.ts';
import { uncheckedFiles } from '../export/table-batch.ts';
import { type ExtractOptions, FORMAT_NAMES, type FormatName } from '../options/extract-options.ts';
import { compareUtf8 } from '../run/compare-utf8.ts';
import { type RunJson, readRunJson } from '../run/run-json.ts';
import { textLines } from '../storage/byte-streams.ts';
import { FolderStore } from '../storage/folder-store.ts';
import type { OutputStore } from '../storage/output-store.ts';
import { tableColumns } from './describe-run.ts';

/** Problems named one by one of each kind; the rest are counted, as a table may hold millions. */
const MAX_NAMED = 5;

/**
 * Checks a finished run from its files alone: `_SUCCESS` is there, counts add up, every file has the
 * bytes and the SHA-256 of run.json, every format has the same rows, every origin occurs once (as a row, or as one for each
 * view, or as a rejection), every number is finite.
 *
 * @param run the output folder, or a store
 * @returns one sentence for each problem; empty when nothing is wrong
 */
export async function verifyRun(run: string | OutputStore): Promise<string[]> {
  const store = typeof run === 'string' ? FolderStore.forReading(run) : run;
  const problems: string[] = [];
  const names = await store.list('');
  if (!names.includes('_SUCCESS')) problems.push('_SUCCESS is missing: the run is not complete.');
  const facts = await readFacts(store, names, problems);
  if (facts === undefined) return problems;
  checkCounts(facts, problems);
  // A damaged file is one problem: nothing that it seems to say is reported beside it.
  const damaged = await checkFiles(store, facts, problems);
  const rejected = damaged.has('rejected.jsonl')
    ? new Set<string>()
    : await readRejected(store, facts, problems);
  await checkTables(store, facts, { rejected, damaged }, problems);
  return problems;
}

async function readFacts(
  store: OutputStore,
  names: readonly string[],
  problems: string[],
): Promise<RunJson | undefined> {
  if (!names.includes('run.json')) {
    problems.push('run.json is missing: nothing else can be checked.');
    return undefined;
  }
  try {
    return await readRunJson(store);
  } catch (error) {
    problems.push(`run.json cannot be read: ${reasonOf(error)}.`);
    return undefined;
  }
}

function checkCounts(facts: RunJson, problems: string[]): void {
  const { counts } = facts;
  const { discovered, extracted, rejected, rejectedByReason } = counts;
  if (discovered !== extracted + rejected) {
    problems.push(
      `run.json: ${discovered} discovered is not ${extracted} extracted + ${rejected} rejected.`,
    );
  }
  if (rowsOf(facts) !== extracted * viewsOf(facts)) {
    problems.push(
      `run.json: ${rowsOf(facts)} rows are not ${viewsOf(facts)} of each of ${extracted} images.`,
    );
  }
  const byReason = Object.values(rejectedByReason).reduce((sum, n) => sum + n, 0);
  if (byReason !== rejected) {
    problems.push(`run.json: reasons add up to ${byReason}, not to ${rejected} rejected.`);
  }
}

function rowsOf({ counts }: RunJson): number {
  return counts.rows ?? counts.extracted;
}

function viewsOf({ options }: RunJson): number {
  return (options as Partial<ExtractOptions>).views ?? 1;
}

/** @returns names of files that are not those of run.json */
async function checkFiles(
  store: OutputStore,
  facts: RunJson,
  problems: string[],
): Promise<Set<string>> {
  const damaged = new Set<string>();
  for (const { name, bytes, sha256 } of facts.files) {
    const hash = createHash('sha256');
    let found = 0;
    try {
      for await (const chunk of store.read(name)) {
        hash.update(chunk);
        found += chunk.byteLength;
      }
    } catch (error) {
      problems.push(`${name} cannot be read: ${reasonOf(error)}.`);
      damaged.add(name);
      continue;
    }
    const isIntact = found === bytes && hash.digest('hex') === sha256;
    if (isIntact) continue;
    damaged.add(name);
    if (found !== bytes) problems.push(`${name}: expected ${bytes} bytes but found ${found}.`);
    else problems.push(`${name}: the bytes are not those of run.json (SHA-256 differs).`);
  }
  const known = new Set(facts.files.map(({ name }) => name));
  for (const format of FORMAT_NAMES) {
    for (const name of await store.list(format)) {
      const full = `${format}/${name}`;
      if (!known.has(full)) problems.push(`${full} is not of this run: run.json does not list it.`);
    }
  }
  return damaged;
}

async function readRejected(
  store: OutputStore,
  facts: RunJson,
  problems: string[],
): Promise<Set<string>> {
  const rejected = new Set<string>();
  let lines = 0;
  try {
    for await (const line of textLines(store.read('rejected.jsonl'))) {
      const { origin, reason } = JSON.parse(line) as { origin?: string; reason?: string };
      lines++;
      if (!origin || !reason) problems.push(`rejected.jsonl, line ${lines}: no origin or reason.`);
      else if (rejected.has(origin)) problems.push(`rejected.jsonl names ${origin} twice.`);
      else rejected.add(origin);
    }
  } catch (error) {
    problems.push(`rejected.jsonl cannot be read: ${reasonOf(error)}.`);
  }
  if (lines !== facts.counts.rejected) {
    problems.push(`rejected.jsonl: expected ${facts.counts.rejected} lines but found ${lines}.`);
  }
  return rejected;
}

async function checkTables(
  store: OutputStore,
  facts: RunJson,
  { rejected, damaged }: Readonly<Record<'rejected' | 'damaged', ReadonlySet<string>>>,
  problems: string[],
): Promise<void> {
  let columns: readonly FeatureColumn[];
  try {
    columns = tableColumns(facts);
  } catch (error) {
    problems.push(`run.json does not tell the table's columns: ${reasonOf(error)}.`);
    return;
  }
  const digests = new Map<string, FormatName>();
  for (const format of FORMAT_NAMES) {
    const parts = filesOfFormat(facts.files, format).map(({ name }) => name);
    if (parts.length === 0 || parts.some((name) => damaged.has(name))) continue;
    const table = { store, format, parts, columns, rejected, views: viewsOf(facts) };
    const { rows, digest } = await checkTable(table, problems);
    if (rows !== rowsOf(facts)) {
      problems.push(`${format}: expected ${rowsOf(facts)} rows but found ${rows}.`);
    }
    digests.set(digest, digests.get(digest) ?? format);
  }
  if (digests.size > 1) {
    problems.push(
      `${[...digests.values()].join(' and ')} do not hold the same origins in the same order.`,
    );
  }
}

interface CheckedTable {
  readonly store: OutputStore;
  readonly format: FormatName;
  readonly parts: readonly string[];
  readonly columns: readonly FeatureColumn[];
  readonly rejected: ReadonlySet<string>;
  readonly views: number;
}

/** One format, all parts: origins must rise strictly through all of them, so each stands once, or once with each view. */
async function checkTable(
  { store, format, parts, columns, rejected, views }: CheckedTable,
  problems: string[],
): Promise<{ rows: number; digest: string }> {
  const hash = createHash('sha256');
  let rows = 0;
  let named = 0;
  let last: string | undefined;
  const report = (problem: string): void => {
    if (named++ < MAX_NAMED) problems.push(problem);
  };
  const checkRow = (
    name: string,
    origin: string | undefined,
    { view, fault }: { readonly view: number | undefined; readonly fault: string | undefined },
  ): void => {
    const expected = rows++ % views;
    if (fault !== undefined) report(`${name}, row of ${origin ?? rows}: ${fault}.`);
    if (view !== undefined && view !== expected && fault === undefined) {
      report(`${name}, row of ${origin ?? rows}: view ${view} instead of ${expected}.`);
    }
    if (origin === undefined) return;
    if (expected > 0 && origin !== last) {
      report(`${name}: ${last} has ${expected} rows instead of ${views}.`);
    } else if (expected === 0 && last !== undefined && compareUtf8(last, origin) >= 0) {
      report(`${name}: ${origin} occurs twice or out of order.`);
    }
    if (expected === 0 && rejected.has(origin)) {
      report(`${name}: ${origin} is a row and a rejection.`);
    }
    hash.update(`${origin}\n`);
    last = origin;
  };
  const files = uncheckedFiles(store);
  for (const name of parts) {
    try {
      const read = await tableReader(format);
      for await (const { n, origins, views: found, faults } of read(files, name, columns)) {
        for (let row = 0; row < n; row++) {
          checkRow(name, origins?.[row], { view: found?.[row], fault: faults.get(row) });
        }
      }
    } catch (error) {
      problems.push(`${name} cannot be read as ${format}: ${reasonOf(error)}.`);
    }
  }
  if (named > MAX_NAMED) problems.push(`${format}: ${named - MAX_NAMED} more problems with rows.`);
  return { rows, digest: hash.digest('hex') };
}

function reasonOf(error: unknown): string {
  const said = isImg2FeaturesError(error) ? error.message : String(error);
  return said.replace(/\.$/, '');
}
