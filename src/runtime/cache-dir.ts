/** The folder of what is downloaded, built or measured once for this user. */
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { makeFolder } from '../files/make-folder.ts';
import { replaceFile } from '../files/put-in-place.ts';
import { readJsonFile } from '../json.ts';
import { expectPath } from '../place.ts';

/**
 * The folder that holds what is downloaded or built once for this user, outside node_modules:
 * `IMG2FEATURES_CACHE`, else `XDG_CACHE_HOME/img2features`, else `~/.cache/img2features`.
 */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  if (env.IMG2FEATURES_CACHE) {
    return resolve(expectPath(env.IMG2FEATURES_CACHE, 'IMG2FEATURES_CACHE'));
  }
  // The XDG specification says to ignore a relative path here.
  const xdg = env.XDG_CACHE_HOME?.startsWith('/') ? env.XDG_CACHE_HOME : undefined;
  return xdg ? join(xdg, 'img2features') : join(env.HOME || homedir(), '.cache', 'img2features');
}

/** Where the TensorFlow runtimes are: one folder for each kind and platform. */
export function runtimesDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheDir(env), 'runtime');
}

/** Notes in a file; the oldest is removed first. */
const MOST_NOTES = 50;

/**
 * Small facts that cost time to find out, by key, in one JSON file of the cache folder.
 * @param name of the file, e.g. "rates"
 */
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
    const kept = Object.fromEntries([...others.slice(1 - MOST_NOTES), [key, note]]);
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
