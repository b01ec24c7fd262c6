import { openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Room for a chunk: made when the file is opened, so that a disk that fills up later costs nothing. */
const FILE_BYTES = 4096;
const NAME = /^decoding-\d+\.bin$/;

/**
 * Names the images that one worker has in work, in a file that outlives the process: uint32 little
 * endian, their number, then their positions in the manifest. Written once a chunk (a few
 * microseconds), not synced: it tells of a crash of the process, not of the machine.
 */
export class DecodeJournal {
  #file: number | undefined;

  /** @param path without one nothing is written */
  constructor(path: string | undefined) {
    if (path === undefined) return;
    this.#attempt(() => {
      this.#file = openSync(path, 'w');
      writeSync(this.#file, new Uint8Array(FILE_BYTES), 0, FILE_BYTES, 0);
    });
  }

  begin(tasks: readonly { readonly index: number }[]): void {
    if (this.#file === undefined) return;
    this.#write(Uint32Array.of(tasks.length, ...tasks.map(({ index }) => index)));
  }

  end(): void {
    if (this.#file !== undefined) this.#write(Uint32Array.of(0));
  }

  #write(words: Uint32Array): void {
    this.#attempt(() => writeSync(this.#file!, words, 0, words.byteLength, 0));
  }

  /** A journal that cannot be written is not kept: it only helps to find a culprit later. */
  #attempt(work: () => void): void {
    try {
      work();
    } catch {
      this.#file = undefined;
    }
  }
}

/** Where the journal of the n-th worker of a run lies. */
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

/** A journal that cannot be removed only costs the next attempt a look at innocent images. */
export function removeJournals(dir: string): void {
  try {
    for (const name of journalsIn(dir)) rmSync(join(dir, name), { force: true });
  } catch {
    // The disk's own failure is told where it matters: by what the run writes there.
  }
}

function journalsIn(dir: string): string[] {
  return readdirSync(dir).filter((name) => NAME.test(name));
}
