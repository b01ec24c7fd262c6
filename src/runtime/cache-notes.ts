/** Small facts that cost time to find out, by key, in one JSON file of the cache folder. */
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../files/make-folder.ts';
import { replaceFile } from '../files/put-in-place.ts';
import { readJsonFile } from '../json.ts';
import { cacheDir } from './cache-dir.ts';

/** Notes in a file; the oldest is removed first. */
const MOST = 50;

/** @param name of the file, e.g. "rates" */
export async function readNotes<Note>(name: string): Promise<Record<string, Note>> {
  try {
    const parsed: unknown = readJsonFile(pathOf(name));
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, Note>) : {};
  } catch {
    return {}; // none yet, or damaged, which counts as none
  }
}

/** A cache that cannot be written is no failure: the fact is measured again. */
export async function addNote(name: string, key: string, note: unknown): Promise<void> {
  try {
    const others = Object.entries(await readNotes(name)).filter(([other]) => other !== key);
    const kept = Object.fromEntries([...others.slice(1 - MOST), [key, note]]);
    const path = pathOf(name);
    makeFolder(dirname(path), 0o700);
    const text = `${JSON.stringify(kept, null, 2)}\n`;
    await replaceFile(path, (temp) => writeFile(temp, text, { flag: 'wx' }));
  } catch {
    // The next process has no note then.
  }
}

function pathOf(name: string): string {
  return join(cacheDir(), `${name}.json`);
}
