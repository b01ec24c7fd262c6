import type { OutputFile } from '../storage/output-store.ts';
import { FLOAT32_MAX_CHARS, writeFloat32 } from './write-float32.ts';

const FLUSH_BYTES = 1 << 20;
// The longest a double can be in JavaScript is 24 characters, plus ".0" and the comma.
const NUMBER_BYTES = Math.max(FLOAT32_MAX_CHARS, 27);

/** A buffer of text for a file: grows to hold one row, flushed at about 1 MiB. */
export class TextBuffer {
  #bytes = Buffer.allocUnsafe(FLUSH_BYTES + (FLUSH_BYTES >> 2));
  #used = 0;

  get isFull(): boolean {
    return this.#used >= FLUSH_BYTES;
  }

  /** Text known to be ASCII. */
  ascii(text: string): void {
    this.#reserve(text.length);
    const bytes = this.#bytes;
    let at = this.#used;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.#used = at;
  }

  utf8(text: string): void {
    this.#reserve(text.length * 3);
    this.#used += this.#bytes.write(text, this.#used);
  }

  /**
   * Copies UTF-8 bytes if each of them is plain, which nearly all names are: no string is made then.
   *
   * @param isPlain 256 flags, by byte
   * @returns false, and nothing is written, when one is not
   */
  copyPlain(bytes: Uint8Array, from: number, to: number, isPlain: Uint8Array): boolean {
    this.#reserve(to - from);
    const target = this.#bytes;
    let at = this.#used;
    for (let i = from; i < to; i++) {
      if (isPlain[bytes[i]] === 0) return false;
      target[at++] = bytes[i];
    }
    this.#used = at;
    return true;
  }

  /** `values[from, to)` joined by commas; float32 as the shortest that round-trips as float32. */
  numbers(values: Float32Array | Float64Array, from: number, to: number): void {
    this.#reserve((to - from) * NUMBER_BYTES);
    if (values instanceof Float32Array) this.#float32s(values, from, to);
    else this.#float64s(values, from, to);
  }

  /** What is in it, in memory of its own. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#bytes.subarray(0, this.#used));
    this.#used = 0;
    return bytes;
  }

  async flushTo(file: OutputFile): Promise<void> {
    if (this.#used === 0) return;
    const bytes = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    await file.write(bytes);
  }

  #float32s(values: Float32Array, from: number, to: number): void {
    const bytes = this.#bytes;
    let at = this.#used;
    for (let i = from; i < to; i++) {
      if (i > from) bytes[at++] = 0x2c;
      at = writeFloat32(values[i], bytes, at);
    }
    this.#used = at;
  }

  #float64s(values: Float64Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      if (i > from) this.ascii(',');
      this.ascii(printDouble(values[i]));
    }
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#used + bytes));
    this.#bytes.copy(grown, 0, 0, this.#used);
    this.#bytes = grown;
  }
}

/** Flags for `copyPlain`: every byte but the given ASCII characters and, on request, control characters. */
export function plainBytes(except: string, options: { readonly controls: boolean }): Uint8Array {
  const flags = new Uint8Array(256).fill(1);
  if (!options.controls) flags.fill(0, 0, 0x20);
  for (const character of except) flags[character.charCodeAt(0)] = 0;
  return flags;
}

/** As JavaScript prints it, the shortest that round-trips, with ".0" where it would look like an integer. */
function printDouble(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  const text = String(value);
  return Number.isInteger(value) && !text.includes('e') ? `${text}.0` : text;
}
