import { shapeSize } from './count-values.ts';
/**
 * Seeded weights, the same bits on every machine: 32-bit integer arithmetic (Math.imul), division
 * by powers of two, one Math.sqrt (correctly rounded by IEEE 754) and float32 rounding. No logarithm
 * or cosine, whose last bits differ between engines.
 */
import type { WeightSpec } from './model-folder.ts';

const CHUNK_VALUES = 256 * 1024;

export interface SeededScale {
  /** Variance gain of the kernel: 2 after a rectifier (He), 1 after a linear layer. */
  readonly gain: number;
  /** Divides a kernel whose inputs are pixels of ±128. */
  readonly inputScale: number;
}

/**
 * Values of one weight tensor, drawn from its own stream (seed and name), so that they do not
 * depend on the other tensors. Kernels: uniform in ±sqrt(3·gain / fan_in) / inputScale, whose
 * variance is gain / fan_in. gamma and moving_variance: 1. bias, beta, moving_mean: uniform ±0.1.
 * @returns little-endian float32 chunks; one buffer is used for all of them
 */
export function* seededWeights(
  spec: WeightSpec,
  seed: number,
  scale: SeededScale,
): Generator<Uint8Array> {
  const total = shapeSize(spec.shape);
  const values = new Float32Array(Math.min(total, CHUNK_VALUES));
  const bytes = new Uint8Array(values.buffer);
  const limit = limitOf(spec, scale);
  if (limit === undefined) values.fill(1);
  const state = seedState(seed, spec.name);
  for (let done = 0; done < total; done += values.length) {
    const n = Math.min(values.length, total - done);
    if (limit !== undefined) fillUniform(values, n, limit, state);
    yield n === values.length ? bytes : bytes.subarray(0, 4 * n);
  }
}

/** Half width of the interval around 0; undefined for tensors of ones. */
function limitOf({ name, shape }: WeightSpec, { gain, inputScale }: SeededScale) {
  const kind = name.slice(name.lastIndexOf('/') + 1);
  if (kind === 'gamma' || kind === 'moving_variance') return undefined;
  if (!kind.endsWith('kernel')) return 0.1;
  // A depthwise kernel [h, w, channels, 1] sees one channel, any other all but its last axis.
  const summed = kind === 'depthwise_kernel' ? shape.slice(0, 2) : shape.slice(0, -1);
  const fanIn = shapeSize(summed);
  return Math.sqrt((3 * gain) / fanIn) / inputScale;
}

/** xoshiro128++ (Blackman and Vigna 2019); 24 bits a value, all of which a float32 holds. */
function fillUniform(values: Float32Array, n: number, limit: number, state: Uint32Array): void {
  let a = state[0] | 0;
  let b = state[1] | 0;
  let c = state[2] | 0;
  let d = state[3] | 0;
  // The top 24 bits as a signed number: [-2^23, 2^23) · limit / 2^23.
  const step = limit / 0x800000;
  for (let i = 0; i < n; i++) {
    const sum = (a + d) | 0;
    const result = (((sum << 7) | (sum >>> 25)) + a) | 0;
    values[i] = (result >> 8) * step;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
  }
  state[0] = a;
  state[1] = b;
  state[2] = c;
  state[3] = d;
}

/** Four words from the seed and the name: FNV-1a, then splitmix32 (never all zero in practice). */
function seedState(seed: number, name: string): Uint32Array {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  let word = (Math.imul(seed, 0x9e3779b1) ^ hash) >>> 0;
  return Uint32Array.from({ length: 4 }, () => {
    word = (word + 0x9e3779b9) | 0;
    let z = word;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  });
}
