import { createHash } from 'node:crypto';
import { firstNotFinite } from '../first-not-finite.ts';

/** SHA-256 of float32 values that come as bytes, and the first of them that is NaN or infinite. */
export class WeightDigest {
  /** Counted over all bytes. */
  bad: { readonly position: number; readonly value: number } | undefined;
  readonly #hash = createHash('sha256');
  #carry = new Uint8Array(0);
  #values = 0;

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    const whole = this.#aligned(bytes);
    const values = new Float32Array(whole.buffer, whole.byteOffset, Math.floor(whole.length / 4));
    const at = this.bad === undefined ? firstNotFinite(values) : -1;
    if (at >= 0) this.bad = { position: this.#values + at, value: values[at] };
    this.#values += values.length;
    this.#carry = whole.slice(values.length * 4);
  }

  hex(): string {
    return this.#hash.digest('hex');
  }

  /** A piece may begin within a value, or start at an unaligned offset. */
  #aligned(bytes: Uint8Array): Uint8Array {
    const carried = this.#carry.length;
    if (carried === 0 && bytes.byteOffset % 4 === 0) return bytes;
    const whole = new Uint8Array(carried + bytes.length);
    whole.set(this.#carry);
    whole.set(bytes, carried);
    return whole;
  }
}
