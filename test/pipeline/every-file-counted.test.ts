import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
// Threads start from the build.
import * as built from '../../dist/index.js';
import type { RunEvent } from '../../src/events.ts';
import type * as api from '../../src/index.ts';
import { openS3Source } from '../../src/source/s3-source.ts';
import { formatSummary } from '../../src/terminal/summary.ts';
import { solidPng } from '../dry-run/solid-png.ts';
import { listXml, startScriptedStore } from '../s3/scripted-store.ts';
import { testOptions } from '../s3/store.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const { extract, extractBatches, resolveOptions } = built as unknown as typeof api;

/** Each is a row, a rejection or skipped; a folder that is not looked into holds one file here. */
const FILES = {
  rows: ['a/1.png', 'a/2.png', 'b/3.png', 'b/wrong-name.gif'],
  rejected: ['a/text.jpg', 'b/empty.webp'],
  skipped: ['.NET/1.png', 'a/.DS_Store', 'a/notes.txt', 'b/labels.TXT', 'b/README', '@eaDir/1.png'],
};
const SKIPPED = {
  'extension .txt': 2,
  'folder .NET': 1,
  'folder @eaDir': 1,
  'name .*': 1,
  'no extension': 1,
};

async function layOut(): Promise<string> {
  const dir = join(await temporaryFolder(), 'in');
  const all = Object.values(FILES).flat();
  for (const [i, name] of all.entries()) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    const isBad = FILES.rejected.includes(name);
    writeFileSync(join(dir, name), isBad ? 'no image' : solidPng(4, 4, [i, 0, 0]));
  }
  return dir;
}

const PIXELS = { mode: 'pixels', k: 0, report: false, workers: 1 } as const;

test('every file of the input is a row, a rejection or counted by why it was skipped', async () => {
  const input = await layOut();
  const out = join(dirname(input), 'out');
  const events: RunEvent[] = [];
  const summary = await extract(resolveOptions({ ...PIXELS, input, out }), {
    onEvent: (event) => events.push(event),
  });
  const files = Object.values(FILES).flat().length;
  expect(summary).toMatchObject({ extracted: 4, rejected: 2, ignored: 6, skipped: SKIPPED });
  expect(summary.extracted + summary.rejected + summary.ignored).toBe(files);
  expect(events.find(({ event }) => event === 'listed')).toMatchObject({ skipped: SKIPPED });
  expect(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')).counts).toMatchObject({
    discovered: 6,
    ignored: 6,
    skipped: SKIPPED,
  });
  expect(formatSummary(summary)).toContain(
    '6 skipped: extension .txt 2, folder .NET 1, folder @eaDir 1, name .* 1, no extension 1',
  );
  const batches = extractBatches({ input, mode: 'pixels', limit: 3 });
  let next = await batches.next();
  while (!next.done) next = await batches.next();
  expect(next.value).toMatchObject({ ignored: 9, skipped: { ...SKIPPED, 'beyond --limit': 3 } });
});

test('an input without an image is an error that tells what is read and what was skipped', async () => {
  const dir = await temporaryFolder();
  mkdirSync(join(dir, 'in'));
  writeFileSync(join(dir, 'in/a.heic'), '');
  writeFileSync(join(dir, 'list.txt'), '\n\n');
  const error = (input: string) =>
    extract(resolveOptions({ ...PIXELS, input, out: join(dir, 'out') })).catch((e) => e);
  const found = await error(join(dir, 'in'));
  expect(found.tag).toBe('source');
  expect(found.message).toContain('but found none (1 skipped: extension .heic 1).');
  expect(found.fix).toMatch(/extensions jpg, jpeg, .*png.*--extensions any/);
  expect((await error(join(dir, 'list.txt'))).fix).toContain('Name at least one image');
});

test('in a store the same names are read and counted', async () => {
  const keys = Object.values(FILES).flat().sort();
  const more = ['@eaDir/2.png', '@eaDir/x/3.png']; // one folder, counted once
  const store = await startScriptedStore(() => ({
    status: 200,
    body: listXml([...keys, ...more].sort().map((key) => `d/${key}`)),
  }));
  try {
    const s3 = testOptions(store.endpoint, { isAnonymous: true });
    const source = openS3Source('s3://bkt/d/', { originForm: 'relative', s3 });
    const images: string[] = [];
    const skipped: string[] = [];
    for await (const one of source.list(new AbortController().signal)) {
      if (one.kind === 'image') images.push(one.entry.origin);
      if (one.kind === 'skipped') skipped.push(one.why);
    }
    await source.close?.();
    expect(images).toEqual([...FILES.rows, ...FILES.rejected].sort());
    expect(skipped.sort()).toEqual(
      Object.entries(SKIPPED).flatMap(([why, count]) => Array(count).fill(why)),
    );
  } finally {
    await store.close();
  }
});
