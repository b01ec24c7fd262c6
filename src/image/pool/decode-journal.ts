import { openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Room for a chunk: made when the file is opened, so that a disk that fills up later costs nothing. */
const FILE_BYTES = 4096;
const NAME = /^decoding-\d+\.bin$/;

/**
 * Names the images that one worker has in work, in a file that remains after the process: uint32 little
 * endian, their number, their positions in the manifest, then the bytes of their names as JSON and those
 * names, where the tasks have any. Written once a chunk (a few
 * microseconds), not synced: it serves after a crash of the process, not of the machine.
 */
export class DecodeJournal {
  #file: number | undefined;

  /** @param path without one nothing is written */
  constructor(path: string | undefined) {
    if (path === undefined) return;
    this.#attempt(() => {
      // Exclusive: an existing link is never written through.
      rmSync(path, { force: true });
      this.#file = openSync(path, 'wx');
      writeSync(this.#file, new Uint8Array(FILE_BYTES), 0, FILE_BYTES, 0);
    });
  }

  begin(tasks: readonly { readonly index: number; readonly name?: string }[]): void {
    if (this.#file === undefined) return;
    const names = tasks.flatMap(({ name }) => (name === undefined ? [] : [name]));
    const text = Buffer.from(names.length === 0 ? '' : JSON.stringify(names));
    const words = Uint32Array.of(tasks.length, ...tasks.map(({ index }) => index), text.length);
    this.#write(Buffer.concat([new Uint8Array(words.buffer), text]));
  }

  end(): void {
    if (this.#file !== undefined) this.#write(new Uint8Array(4));
  }

  #write(bytes: Uint8Array): void {
    this.#attempt(() => writeSync(this.#file!, bytes, 0, bytes.length, 0));
  }

  /** A journal that cannot be written is not kept: it only helps to find the image that caused a crash later. */
  #attempt(work: () => void): void {
    try {
      work();
    } catch {
      this.#file = undefined;
    }
  }
}

/** Path of the journal of the n-th worker of a run. */
export function journalPath(dir: string, n: number): string {
  return join(dir, `decoding-${n}.bin`);
}

/** Positions that were in work when a process ended without closing its journals; ascending. */
export function readJournals(dir: string): number[] {
  const positions = new Set<number>();
  for (const name of journalsIn(dir)) {
    const bytes = readFileSync(join(dir, name));
    const words = new Uint32Array(new Uint8Array(bytes).buffer, 0, bytes.length >> 2);
    for (const position of words.subarray(1, 1 + (words[0] ?? 0))) positions.add(position);
  }
  return [...positions].sort((a, b) => a - b);
}

/** The names of those images, where their tasks had names. */
export function readJournalNames(dir: string): string[] {
  return journalsIn(dir).flatMap((name) => {
    const bytes = readFileSync(join(dir, name));
    const count = bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
    const at = 4 + 4 * count;
    if (count === 0 || bytes.length < at + 4) return [];
    const text = bytes.subarray(at + 4, at + 4 + bytes.readUInt32LE(at));
    return text.length === 0 ? [] : (JSON.parse(text.toString()) as string[]);
  });
}

/** A journal that cannot be removed only makes the next attempt check images that caused no crash. */
export function removeJournals(dir: string): void {
  try {
    for (const name of journalsIn(dir)) rmSync(join(dir, name), { force: true });
  } catch {
    // A failing disk is reported by what the run itself writes there.
  }
}

function journalsIn(dir: string): string[] {
  return readdirSync(dir).filter((name) => NAME.test(name));
}
