import { createHash } from 'node:crypto';

/**
 * Random numbers in [0, 1) that depend on a key alone, not on what was drawn before for another: block n is the SHA-256 of
 * the key, a zero byte and n in decimal digits, and gives eight numbers, each 32 bits (little-endian) divided by 2^32.
 */
export class RandomNumbers {
  readonly #key: string;
  #block = Buffer.alloc(0);
  #blocks = 0;
  #at = 0;

  constructor(...key: readonly (string | number)[]) {
    this.#key = key.join('\0');
  }

  next(): number {
    if (this.#at === this.#block.length) {
      this.#block = createHash('sha256')
        .update(`${this.#key}\0${this.#blocks++}`)
        .digest();
      this.#at = 0;
    }
    const value = this.#block.readUInt32LE(this.#at) / 2 ** 32;
    this.#at += 4;
    return value;
  }

  /** In [from, to). */
  between(from: number, to: number): number {
    return from + (to - from) * this.next();
  }

  /** A whole number from 0 to `end` - 1. */
  below(end: number): number {
    return Math.floor(end * this.next());
  }
}
