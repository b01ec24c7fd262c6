import type { H5File } from '../h5/h5-file.ts';
import type { StoredWeight } from './stored-layer.ts';

/** Small enough for memory, large enough that a full VGG16 is some seventy reads. */
export const SLICE_BYTES = 8 * 1024 * 1024;

/**
 * The values of one weight as little-endian float32, some MiB at a time; the next slice is read
 * while the last is being written.
 */
export async function* readWeight(file: H5File, weight: StoredWeight): AsyncGenerator<Uint8Array> {
  const { dataset, path } = weight;
  const rows = dataset.shape[0] ?? 1;
  const step = rowsPerSlice(weight);
  let ahead: Promise<Uint8Array> | undefined;
  const read = (start: number) => {
    const reading = file.readRows(path, start, Math.min(step, rows - start));
    // It is awaited one step later: until then a failure must not count as unhandled.
    reading.catch(() => {});
    return reading;
  };
  if (rows > 0) ahead = read(0);
  for (let start = 0; start < rows; start += step) {
    const bytes = await ahead!;
    if (start + step < rows) ahead = read(start + step);
    yield toFloat32(bytes, weight);
  }
}

/** Whole chunks of a chunked dataset, so that none is decompressed twice. */
function rowsPerSlice({ dataset }: StoredWeight): number {
  const rowBytes = dataset.shape.slice(1).reduce((a, b) => a * b, dataset.itemBytes);
  const rows = Math.max(1, Math.floor(SLICE_BYTES / rowBytes));
  const chunk = dataset.chunks?.[0] ?? 1;
  return Math.max(chunk, rows - (rows % chunk));
}

function toFloat32(bytes: Uint8Array, { dataset }: StoredWeight): Uint8Array {
  if (dataset.dtype === 'float32') return bytes;
  const { buffer, byteOffset, byteLength } = bytes;
  if (dataset.dtype === 'float64') {
    const doubles = new Float64Array(buffer, byteOffset, byteLength / 8);
    return new Uint8Array(Float32Array.from(doubles).buffer);
  }
  const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
  // bfloat16 is the upper half of a float32.
  return dataset.dtype === 'bfloat16'
    ? new Uint8Array(Uint32Array.from(halves, (bits) => bits << 16).buffer)
    : new Uint8Array(Float32Array.from(halves, halfToNumber).buffer);
}

/** IEEE 754 binary16: sign, 5 bits of exponent (bias 15), 10 bits of fraction. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
