import { createHash } from 'node:crypto';
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RunError } from '../../src/errors.ts';
import { featureColumns, selectColumns } from '../../src/export/column-names.ts';
import {
  buildRecordBatch,
  type FeatureRows,
  featureSchema,
} from '../../src/export/features-table.ts';
import { openSinks } from '../../src/export/formats.ts';
import { FORMAT_NAMES } from '../../src/options/extract-options.ts';
import { verifyRun } from '../../src/pipeline/verify-run.ts';
import { compareUtf8 } from '../../src/run/compare-utf8.ts';
import { writeRejections } from '../../src/run/rejections.ts';
import { buildRunJson, publishRun, type RunFacts } from '../../src/run/run-json.ts';
import { FolderStore } from '../../src/storage/folder-store.ts';
import { HOSTILE_NAMES, sampleRows } from '../export/sample.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const columnsOf = (views: number) => {
  const labels = { hasSplit: false, kept: [], views };
  return featureColumns('pixels', [{ layer: 'x', pool: 'none', length: 4 }], 2, labels);
};
const REJECTED = [
  { origin: 'in/bad.jpg', reason: 'corrupt', message: 'Expected a JPEG.' },
] as const;

const facts = (rows: number, columns?: readonly string[], views = 1): RunFacts => ({
  command: 'extract',
  version: '0.1.0',
  options: { mode: 'pixels', k: 2, layer: undefined, columns: columns?.join(), views },
  model: { layers: [{ layer: 'x', pool: 'none', length: 4 }] },
  fingerprint: 'f',
  counts: {
    discovered: Math.ceil(rows / views) + 1,
    extracted: Math.ceil(rows / views),
    ...(views > 1 && { rows }),
    skipped: { 'no extension': 3 },
  },
  rejections: REJECTED,
  stages: { list: 1, decode: 2 },
  startedAt: new Date('2026-11-22T10:00:00Z'),
  finishedAt: new Date('2026-11-22T10:00:05Z'),
  libraries: { sharp: '1', arrow: '2' },
  files: [],
});

/** A whole run in two parts. */
async function publish(
  rows: readonly FeatureRows[],
  columns?: readonly string[],
  views = 1,
): Promise<string> {
  const dir = await temporaryFolder();
  const store = await FolderStore.open(dir);
  const schema = featureSchema(selectColumns(columnsOf(views), columns));
  const extracted = rows.reduce((sum, { origins }) => sum + origins.length, 0);
  const context = { store, schema, metadata: {}, rows: extracted };
  const sinks = await openSinks({ ...context, formats: FORMAT_NAMES });
  for (const [i, part] of rows.entries()) {
    await sinks.beginPart(i);
    await sinks.write(buildRecordBatch(schema, part));
    await sinks.endPart();
  }
  const files = [...(await sinks.finish()), await writeRejections(store, REJECTED)];
  await publishRun(store, buildRunJson({ ...facts(extracted, columns, views), files }));
  return dir;
}

const sorted = [...HOSTILE_NAMES].sort(compareUtf8);
const twoParts = () => [
  sampleRows(5, 4, 2, sorted.slice(0, 5)),
  sampleRows(13, 4, 2, sorted.slice(5)),
];

/** Changes a file and run.json with it, so that only the content can give it away. */
async function replace(dir: string, name: string, change: (text: string) => string): Promise<void> {
  const text = change(await readFile(join(dir, name), 'utf8'));
  await writeFile(join(dir, name), text);
  const run = JSON.parse(await readFile(join(dir, 'run.json'), 'utf8'));
  const file = run.files.find((one: { name: string }) => one.name === name);
  file.bytes = Buffer.byteLength(text);
  file.sha256 = createHash('sha256').update(text).digest('hex');
  await writeFile(join(dir, 'run.json'), JSON.stringify(run));
}

async function editRunJson(dir: string, edit: (run: { counts: Record<string, number> }) => void) {
  const run = JSON.parse(await readFile(join(dir, 'run.json'), 'utf8'));
  edit(run);
  await writeFile(join(dir, 'run.json'), JSON.stringify(run));
}

test('finds nothing wrong with a sound run, hostile names in every format', async () => {
  expect(await verifyRun(await publish(twoParts()))).toEqual([]);
});

test('finds nothing wrong with a table of chosen columns or without rows', async () => {
  expect(await verifyRun(await publish(twoParts(), ['vectors_redux']))).toEqual([]);
  expect(await verifyRun(await publish([sampleRows(0, 4, 2)]))).toEqual([]);
});

/** Rows of these origins, with views that begin again after `views` rows. */
const viewsOf = (views: number, ...origins: string[]) => ({
  ...sampleRows(origins.length, 4, 2, origins),
  views,
});

test('every origin stands once with each of its views', async () => {
  const sound = [viewsOf(2, 'a', 'a', 'b', 'b'), viewsOf(2, 'c', 'c')];
  expect(await verifyRun(await publish(sound, undefined, 2))).toEqual([]);
  const problemsOf = async (...rows: FeatureRows[]) => {
    const problems = await verifyRun(await publish(rows, undefined, 2));
    return problems.filter((problem) => problem.startsWith('csv/'));
  };
  expect(await problemsOf(viewsOf(2, 'a', 'b', 'b', 'c'))).toEqual([
    'csv/features.csv: a has 1 rows instead of 2.',
    'csv/features.csv: b occurs twice or out of order.',
    'csv/features.csv: b has 1 rows instead of 2.',
  ]);
  expect(await problemsOf(viewsOf(2, 'b', 'b', 'a', 'a'))).toEqual([
    'csv/features.csv: a occurs twice or out of order.',
  ]);
  expect(await problemsOf(viewsOf(3, 'a', 'a', 'b', 'b'))).toEqual([
    'csv/features.csv, row of b: view 2 instead of 0.',
    'csv/features.csv, row of b: view 0 instead of 1.',
  ]);
  expect(await verifyRun(await publish([viewsOf(2, 'a', 'a', 'b')], undefined, 2))).toContain(
    'run.json: 3 rows are not 2 of each of 2 images.',
  );
});

test.each<[string, (dir: string) => Promise<unknown>, string[]]>([
  [
    '_SUCCESS is missing',
    (dir) => rm(join(dir, '_SUCCESS')),
    ['_SUCCESS is missing: the run is not complete.'],
  ],
  [
    'run.json is missing',
    (dir) => rm(join(dir, 'run.json')),
    ['run.json is missing: nothing else can be checked.'],
  ],
  [
    'run.json is torn',
    (dir) => writeFile(join(dir, 'run.json'), '{"format":'),
    [expect.stringMatching(/^run.json cannot be read: Expected JSON in run.json of /)],
  ],
  [
    'counts do not add up',
    (dir) => editRunJson(dir, ({ counts }) => void counts.discovered++),
    ['run.json: 20 discovered is not 18 extracted + 1 rejected.'],
  ],
  [
    'a byte was changed',
    async (dir) => {
      const path = join(dir, 'json/part-00000.json');
      const text = await readFile(path, 'utf8');
      await writeFile(path, text.replace('-3.0', '-4.0'));
    },
    ['json/part-00000.json: the bytes are not those of run.json (SHA-256 differs).'],
  ],
  [
    'a file is missing',
    (dir) => rm(join(dir, 'csv/features.csv')),
    [expect.stringContaining('csv/features.csv cannot be read')],
  ],
  [
    'a part of another run lies about',
    (dir) => writeFile(join(dir, 'parquet/part-00009.parquet'), ''),
    ['parquet/part-00009.parquet is not of this run: run.json does not list it.'],
  ],
  [
    'a row is missing',
    (dir) => replace(dir, 'json/part-00001.json', (text) => text.replace(/^[^\n]*\n/, '')),
    [
      'json: expected 18 rows but found 17.',
      'parquet and json do not hold the same origins in the same order.',
    ],
  ],
  [
    'a row occurs twice',
    (dir) => replace(dir, 'json/part-00001.json', (text) => text.replace(/^([^\n]*\n)/, '$1$1')),
    [
      expect.stringMatching(/^json\/part-00001.json: .* occurs twice or out of order.$/s),
      'json: expected 18 rows but found 19.',
      'parquet and json do not hold the same origins in the same order.',
    ],
  ],
  [
    'a number is not finite',
    (dir) => replace(dir, 'csv/features.csv', (text) => text.replace(/,[^,]*\n$/, ',NaN\n')),
    [expect.stringMatching(/^csv\/features.csv, row of .*: pc2 holds "NaN".$/s)],
  ],
  [
    'a cell is missing',
    (dir) => replace(dir, 'csv/features.csv', (text) => text.replace(/,[^,]*\n$/, '\n')),
    [expect.stringMatching(/: 3 cells instead of 4.$/)],
  ],
  [
    'a list holds null',
    (dir) => replace(dir, 'json/part-00000.json', (text) => text.replace('-3.0', 'null')),
    [expect.stringMatching(/: vectors holds something that is not a finite number.$/)],
  ],
  [
    'a file is not what its name says',
    (dir) => replace(dir, 'json/part-00001.json', () => 'PAR1'),
    [
      expect.stringContaining('json/part-00001.json cannot be read as json'),
      'json: expected 18 rows but found 5.',
      'parquet and json do not hold the same origins in the same order.',
    ],
  ],
  [
    'an image is a row and a rejection',
    (dir) =>
      replace(
        dir,
        'rejected.jsonl',
        () => `${JSON.stringify({ origin: sorted[0], reason: 'corrupt' })}\n`,
      ),
    FORMAT_NAMES.map((format) =>
      expect.stringMatching(new RegExp(`^${format}/.* is a row and a rejection\\.$`, 's')),
    ),
  ],
  [
    'a rejection occurs twice',
    (dir) => replace(dir, 'rejected.jsonl', (text) => text + text),
    ['rejected.jsonl names in/bad.jpg twice.', 'rejected.jsonl: expected 1 lines but found 2.'],
  ],
])('finds that %s', async (_, damage, problems) => {
  const dir = await publish(twoParts());
  await damage(dir);
  expect(await verifyRun(dir)).toEqual(problems);
});

test('names a few bad rows and counts the rest', async () => {
  const dir = await publish([sampleRows(100, 4, 2)]);
  await replace(dir, 'json/part-00000.json', (text) => text.replaceAll(/\[[^\]]*\]/g, '[null]'));
  const problems = await verifyRun(dir);
  expect(problems).toHaveLength(6);
  expect(problems[5]).toBe('json: 95 more problems with rows.');
});

test('leaves a run as it is', async () => {
  const dir = await publish(twoParts());
  await mkdir(join(dir, 'csv', 'mine'));
  await appendFile(join(dir, '.run.json.tmp-1'), 'of another');
  await verifyRun(dir);
  expect(await readFile(join(dir, '.run.json.tmp-1'), 'utf8')).toBe('of another');
});

test('counts by reason and puts times in run.json only', () => {
  const run = buildRunJson(facts(4));
  expect(run.counts).toEqual({
    discovered: 5,
    extracted: 4,
    rejected: 1,
    ignored: 3,
    skipped: { 'no extension': 3 },
    rejectedByReason: { corrupt: 1 },
  });
  expect(run).toMatchObject({
    startedAt: '2026-11-22T10:00:00.000Z',
    stagesMs: { list: 1, decode: 2 },
    machine: { node: process.versions.node },
  });
  expect(Object.keys(run.libraries as object)).toEqual(['arrow', 'sharp']);
});

test('does not call a run complete whose counts do not add up', () => {
  const counts = { discovered: 7, extracted: 4, skipped: {} };
  expect(() => buildRunJson({ ...facts(4), counts })).toThrow(
    'Expected 7 images as rows or rejections but found 4 rows and 1 rejections; the run is not complete.',
  );
  expect(() => buildRunJson({ ...facts(4), counts })).toThrow(RunError);
});

test('publishes _SUCCESS last', async () => {
  const names: string[] = [];
  const store = FolderStore.forReading('unused');
  store.create = async (name) => ({
    write: async () => undefined,
    commit: async () => ({ name, bytes: names.push(name), sha256: '' }),
    abort: async () => undefined,
  });
  await publishRun(store, buildRunJson(facts(4)));
  expect(names).toEqual(['run.json', '_SUCCESS']);
});
