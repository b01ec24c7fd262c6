import type { LayerRow } from '../../model/architectures/keras-layers.ts';
import { normalization } from '../../model/layer-attributes.ts';
import { byteLength, type WeightReader } from '../weight-reader.ts';

/** Weights of a batch normalisation by name; its epsilon. */
export interface Norm {
  /** undefined = all ones. */
  readonly gamma: string | undefined;
  /** undefined = all zeros. */
  readonly beta: string | undefined;
  readonly mean: string;
  readonly variance: string;
  readonly epsilon: number;
}

/** Where the values of a variable come from. */
export type WeightSource =
  | { readonly kind: 'stored'; readonly name: string }
  | { readonly kind: 'values'; readonly values: readonly number[] }
  /** A convolution's kernel times the scale of the normalisation that follows it. */
  | { readonly kind: 'kernel'; readonly name: string; readonly norm: Norm }
  /** Its bias after that normalisation; what the normalisation adds where there is none. */
  | { readonly kind: 'bias'; readonly name: string | undefined; readonly norm: Norm }
  /** What a normalisation multiplies with. */
  | { readonly kind: 'scale'; readonly norm: Norm };

/** What a batch normalisation has learnt. */
export function normOf({ name, config }: LayerRow): Norm {
  const { gamma, beta, mean, variance, epsilon } = normalization(config);
  return {
    gamma: gamma && `${name}/${gamma}`,
    beta: beta && `${name}/${beta}`,
    mean: `${name}/${mean}`,
    variance: `${name}/${variance}`,
    epsilon,
  };
}

const CHUNK_BYTES = 2 ** 22;

/**
 * Yields a variable's float32 bytes in order. A chunk is valid until the next one is asked for.
 *
 * Batch normalisation after a convolution is one of its own (y = s·(conv + b − mean) + beta with
 * s = gamma / sqrt(variance + epsilon)); the products are computed in double and rounded once.
 */
export function* readSource(reader: WeightReader, source: WeightSource): Generator<Uint8Array> {
  switch (source.kind) {
    case 'stored':
      yield* readStored(reader, source.name);
      return;
    case 'values':
      yield bytesOf(Float32Array.from(source.values));
      return;
    case 'kernel': {
      const kernel = readValues(reader, source.name);
      // The last axes are the channels that come out: [h, w, in, out] or [h, w, in, multiplier].
      const scales = normScales(reader, source.norm);
      for (let i = 0; i < kernel.length; i++) kernel[i] *= scales[i % scales.length];
      yield bytesOf(kernel);
      return;
    }
    case 'scale':
      yield bytesOf(Float32Array.from(normScales(reader, source.norm)));
      return;
    case 'bias':
      yield bytesOf(foldBias(reader, source.name, source.norm));
  }
}

function foldBias(reader: WeightReader, name: string | undefined, norm: Norm): Float32Array {
  const scales = normScales(reader, norm);
  const mean = readValues(reader, norm.mean);
  const beta = norm.beta === undefined ? undefined : readValues(reader, norm.beta);
  const bias = name === undefined ? undefined : readValues(reader, name);
  return Float32Array.from(scales, (scale, i) => {
    return ((bias?.[i] ?? 0) - mean[i]) * scale + (beta?.[i] ?? 0);
  });
}

function normScales(reader: WeightReader, { gamma, variance, epsilon }: Norm): Float64Array {
  const variances = readValues(reader, variance);
  const gammas = gamma === undefined ? undefined : readValues(reader, gamma);
  return Float64Array.from(variances, (v, i) => (gammas?.[i] ?? 1) / Math.sqrt(v + epsilon));
}

function* readStored(reader: WeightReader, name: string): Generator<Uint8Array> {
  const size = byteLength(reader.find(name)!);
  const buffer = new Uint8Array(Math.min(size, CHUNK_BYTES));
  for (let offset = 0; offset < size; offset += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, size - offset));
    reader.read(name, chunk, offset);
    yield chunk;
  }
}

function readValues(reader: WeightReader, name: string): Float32Array {
  const values = new Float32Array(byteLength(reader.find(name)!) / 4);
  reader.read(name, bytesOf(values));
  return values;
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
