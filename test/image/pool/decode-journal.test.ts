import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  DecodeJournal,
  journalPath,
  readJournalNames,
  readJournals,
  removeJournals,
} from '../../../src/image/pool/decode-journal.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'img2features-journal-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const tasks = (...indices: number[]) => indices.map((index) => ({ index }));

test('names what is in work and nothing that is done, over all workers', () => {
  const first = new DecodeJournal(journalPath(dir, 0));
  const second = new DecodeJournal(journalPath(dir, 1));
  expect(readJournals(dir)).toEqual([]);
  first.begin(tasks(70_000, 5));
  second.begin(tasks(9));
  expect(readJournals(dir)).toEqual([5, 9, 70_000]);
  first.end();
  expect(readJournals(dir)).toEqual([9]);
  first.begin(tasks(3));
  expect(readJournals(dir)).toEqual([3, 9]);
});

test('tells the names of what is in work, where it has names', () => {
  const journal = new DecodeJournal(journalPath(dir, 0));
  journal.begin([
    { index: 3, name: 'a/ü.jpg' },
    { index: 4, name: '"b"' },
  ]);
  expect(readJournals(dir)).toEqual([3, 4]);
  expect(readJournalNames(dir)).toEqual(['a/ü.jpg', '"b"']);
  journal.begin(tasks(5));
  expect(readJournals(dir)).toEqual([5]);
  expect(readJournalNames(dir)).toEqual([]);
  journal.end();
  expect(readJournalNames(dir)).toEqual([]);
});

test('a cut journal tells what it still can', () => {
  writeFileSync(journalPath(dir, 0), Buffer.of(2, 0, 0, 0, 7, 0, 0, 0, 1));
  expect(readJournals(dir)).toEqual([7]);
  expect(readJournalNames(dir)).toEqual([]);
});

test('removing takes the journals and nothing else', () => {
  writeFileSync(journalPath(dir, 0), '');
  writeFileSync(join(dir, 'identity.json'), '');
  removeJournals(dir);
  expect(readdirSync(dir)).toEqual(['identity.json']);
});

test('a folder that cannot be written costs the journal, not the run', () => {
  const journal = new DecodeJournal(journalPath(join(dir, 'missing'), 0));
  journal.begin(tasks(1));
  journal.end();
  expect(readdirSync(dir)).toEqual([]);
});
