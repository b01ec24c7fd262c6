import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { rename } from '../files/rename.ts';
import { WeightDigest } from './weight-digest.ts';

/**
 * tfjs' converter makes 4 MiB shards for browser caches. On a disk few files are better: 64 MiB
 * gives the full VGG16 nine, and a reader that takes one at a time still stays small.
 */
const SHARD_BYTES = 64 * 1024 * 1024;

/**
 * Cuts a stream of weight bytes into shard files and hashes it at the same time. Shards get their final
 * names ("group1-shard1of9.bin") in `finish`, when their number is known.
 */
export class ShardWriter {
  totalBytes = 0;
  readonly #dir: string;
  readonly #shardBytes: number;
  readonly #digest = new WeightDigest();
  readonly #parts: string[] = [];
  #file: FileHandle | undefined;
  #room = 0;

  constructor(dir: string, shardBytes: number = SHARD_BYTES) {
    this.#dir = dir;
    this.#shardBytes = shardBytes;
  }

  /** The first value so far that is not finite. */
  get bad(): WeightDigest['bad'] {
    return this.#digest.bad;
  }

  /** Resolves when the bytes are written to the file: the buffer is free again. */
  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#room === 0) await this.#nextShard();
      const piece = rest.subarray(0, this.#room);
      const writing = writeAll(this.#file!, piece);
      // Hashing runs on this thread while the write runs in libuv's pool.
      this.#digest.update(piece);
      await writing;
      this.#room -= piece.length;
      this.totalBytes += piece.length;
      rest = rest.subarray(piece.length);
    }
  }

  /**
   * @returns the shards' file names in order (a model without weights has one empty shard) and the
   *   SHA-256 over all bytes, hex
   */
  async finish(): Promise<{ paths: string[]; sha256: string }> {
    if (this.#parts.length === 0) await this.#nextShard();
    await this.#closeShard();
    const total = this.#parts.length;
    const names = this.#parts.map((_, i) => `group1-shard${i + 1}of${total}.bin`);
    for (const [i, part] of this.#parts.entries()) {
      await rename(join(this.#dir, part), join(this.#dir, names[i]));
    }
    return { paths: names, sha256: this.#digest.hex() };
  }

  /** Closes the open file after a failure; the folder is the caller's to remove. */
  async abandon(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #nextShard(): Promise<void> {
    await this.#closeShard();
    const name = `shard${this.#parts.length + 1}.part`;
    this.#file = await open(join(this.#dir, name), 'wx');
    this.#parts.push(name);
    this.#room = this.#shardBytes;
  }

  async #closeShard(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    await file.sync();
    this.#file = undefined;
    await file.close();
  }
}

/** `FileHandle.write` may write less than asked, e.g. when the disk fills up. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let offset = 0;
  while (offset < bytes.length) {
    const { bytesWritten } = await file.write(bytes, offset, bytes.length - offset, null);
    offset += bytesWritten;
  }
}
