import { createReadStream } from 'node:fs';
import { link, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { makeFolder } from '../files/make-folder.ts';
import { syncFolder } from '../files/put-in-place.ts';
import { DurableFile } from './durable-file.ts';
import { type OutputStore, writeAll } from './output-store.ts';

const PIECE_BYTES = 1 << 20;

/** Puts a file of this machine into an output under a name. */
export async function placeInOutput(
  path: string,
  output: OutputStore,
  name: string,
): Promise<void> {
  const target = output.localPath?.(name);
  const copy = async () => {
    const pieces = createReadStream(path, { highWaterMark: PIECE_BYTES });
    await writeAll(await output.create(name), pieces);
  };
  if (target !== undefined) await linkOr(copy, path, target);
  else await copy();
}

/** Puts a file of an output at a path of this machine. */
export async function placeFromOutput(
  output: OutputStore,
  name: string,
  path: string,
): Promise<void> {
  const from = output.localPath?.(name);
  const copy = async () => {
    await writeAll(await DurableFile.create(path, basename(path)), output.read(name));
  };
  if (from !== undefined) await linkOr(copy, from, path);
  else await copy();
}

/** A second name for a file that is never written again; a copy where the disk is another, or cannot do that. */
async function linkOr(copy: () => Promise<void>, from: string, to: string): Promise<void> {
  try {
    makeFolder(dirname(to));
    await rm(to, { force: true });
    await link(from, to);
    await syncFolder(dirname(to));
  } catch {
    await copy(); // its error says what is wrong
  }
}
