import { RunError } from '../errors.ts';

/**
 * One array in NumPy's .npy format (versions 1 to 3), little-endian, in C order once decoded.
 * Layout: "\x93NUMPY", version (2 bytes), header length (u16, from version 2 on u32), header (the
 * text of a Python dict, padded with spaces so that the data start at a multiple of 64), data.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export type NpyArray =
  | NumericNpy<'float64', Float64Array>
  | NumericNpy<'float32', Float32Array>
  | NumericNpy<'int64', BigInt64Array>
  | NumericNpy<'uint64', BigUint64Array>
  | NumericNpy<'int32', Int32Array>
  | NumericNpy<'uint32', Uint32Array>
  | NumericNpy<'int16', Int16Array>
  | NumericNpy<'uint16', Uint16Array>
  | NumericNpy<'int8', Int8Array>
  | NumericNpy<'uint8', Uint8Array>
  | NumericNpy<'bool', Uint8Array>
  | { readonly dtype: 'string'; readonly shape: readonly number[]; readonly data: string[] };

interface NumericNpy<Name extends string, Data> {
  readonly dtype: Name;
  /** C order; `[]` is a single value. */
  readonly shape: readonly number[];
  readonly data: Data;
}

const NUMERIC = [
  { dtype: 'float64', descr: '<f8', make: Float64Array },
  { dtype: 'float32', descr: '<f4', make: Float32Array },
  { dtype: 'int64', descr: '<i8', make: BigInt64Array },
  { dtype: 'uint64', descr: '<u8', make: BigUint64Array },
  { dtype: 'int32', descr: '<i4', make: Int32Array },
  { dtype: 'uint32', descr: '<u4', make: Uint32Array },
  { dtype: 'int16', descr: '<i2', make: Int16Array },
  { dtype: 'uint16', descr: '<u2', make: Uint16Array },
  { dtype: 'int8', descr: '|i1', make: Int8Array },
  { dtype: 'uint8', descr: '|u1', make: Uint8Array },
  { dtype: 'bool', descr: '|b1', make: Uint8Array },
] as const;

/** As many as NumPy allows. */
const MAX_AXES = 64;

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');

/** Writes an array as version 1.0 .npy bytes, equal to what numpy.save writes. */
export function encodeNpy(array: NpyArray): Buffer {
  const { descr, bytes } = array.dtype === 'string' ? wideText(array.data) : numericBytes(array);
  if (array.data.length !== countValues(array.shape)) {
    throw new RangeError(
      `Expected as many values as shape ${shapeText(array.shape)} has but found ${array.data.length}`,
    );
  }
  return Buffer.concat([npyHeader(descr, array.shape), bytes]);
}

/**
 * The bytes before an array's values, as version 1.0.
 * @param descr NumPy's type, e.g. `<f4`
 */
export function npyHeader(descr: string, shape: readonly number[]): Buffer {
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shapeText(shape)}, }`;
  const length = Math.ceil((10 + dict.length + 1) / 64) * 64;
  const header = Buffer.alloc(length, ' ', 'latin1');
  MAGIC.copy(header);
  header[6] = 1;
  header[7] = 0;
  header.writeUInt16LE(length - 10, 8);
  header.write(dict, 10, 'latin1');
  header[length - 1] = 0x0a;
  return header;
}

function numericBytes({ dtype, data }: Exclude<NpyArray, { dtype: 'string' }>) {
  const { descr } = NUMERIC.find((entry) => entry.dtype === dtype)!;
  return { descr, bytes: Buffer.from(data.buffer, data.byteOffset, data.byteLength) };
}

/** UTF-32, each text padded with zeros to the longest. */
function wideText(texts: readonly string[]) {
  const points = texts.map((text) => Array.from(text, (char) => char.codePointAt(0)!));
  const width = Math.max(1, ...points.map((text) => text.length));
  const bytes = Buffer.alloc(texts.length * width * 4);
  points.forEach((text, i) => {
    text.forEach((point, at) => {
      bytes.writeUInt32LE(point, (i * width + at) * 4);
    });
  });
  return { descr: `<U${width}`, bytes };
}

/**
 * Reads .npy bytes into a fresh array.
 * @throws RunError for anything but a whole array of plain numbers, booleans or strings.
 */
export function decodeNpy(bytes: Uint8Array, name: string): NpyArray {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { descr, isFortran, shape, start } = parseNpyHeader(buffer, name);
  const body = buffer.subarray(start);
  const values = countValues(shape);
  const type = NUMERIC.find(
    (entry) => entry.descr === descr || `<${entry.descr.slice(1)}` === descr,
  );
  if (type !== undefined) {
    checkLength(body, values * type.make.BYTES_PER_ELEMENT, name);
    // A copy: the bytes of an .npz member need not be aligned to the element.
    const data = new type.make(Uint8Array.from(body).buffer as ArrayBuffer);
    return { dtype: type.dtype, shape, data: isFortran ? toC(data, shape) : data } as NpyArray;
  }
  const text = /^(?:<U|\|S)(\d+)$/.exec(descr);
  if (text === null) {
    throw new RunError(`Expected plain numbers or strings for ${name} but found dtype ${descr}.`);
  }
  const data = readStrings(body, values, Number(text[1]), descr.startsWith('<U'), name);
  return { dtype: 'string', shape, data: isFortran ? toC(data, shape) : data };
}

/**
 * What the header of an array says; `start` is where its values begin.
 * @throws RunError
 */
export function parseNpyHeader(buffer: Buffer, name: string) {
  const version = buffer[6] ?? 0;
  const fixed = version === 1 ? 10 : 12;
  if (buffer.length < fixed || !buffer.subarray(0, 6).equals(MAGIC) || version < 1 || version > 3) {
    throw new RunError(`Expected a NumPy array for ${name} but found other bytes.`);
  }
  const start = fixed + (version === 1 ? buffer.readUInt16LE(8) : buffer.readUInt32LE(8));
  const dict = buffer.toString('latin1', fixed, start);
  const descr = /'descr'\s*:\s*'([^']+)'/.exec(dict)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(dict)?.[1];
  const shape = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(dict)?.[1];
  if (start > buffer.length || descr === undefined || order === undefined || shape === undefined) {
    throw new RunError(
      `Expected a whole NumPy header with plain fields for ${name} but found none.`,
    );
  }
  const sizes = shape.split(',').flatMap((size) => (size.trim() === '' ? [] : [Number(size)]));
  // Beyond these, no array of JavaScript holds the values, and their product is not exact.
  const isCountable = sizes.every(Number.isSafeInteger) && countValues(sizes) < 2 ** 32;
  if (sizes.length > MAX_AXES || !isCountable) {
    throw new RunError(
      `Expected an array that fits in memory for ${name} but found the shape (${shape.slice(0, 80)}).`,
    );
  }
  return { descr, isFortran: order === 'True', shape: sizes, start };
}

/** `<U`: UTF-32, `|S`: bytes; both padded with zeros at the end. */
function readStrings(body: Buffer, n: number, width: number, isWide: boolean, name: string) {
  const step = isWide ? width * 4 : width;
  // Texts of no width take no bytes: any number of them would fit any file.
  if (step === 0 && n > 0) {
    throw new RunError(`Expected text for ${name} but found ${n} values of width 0.`);
  }
  checkLength(body, n * step, name);
  return Array.from({ length: n }, (_, i) => {
    const cell = body.subarray(i * step, (i + 1) * step);
    if (!isWide) return cell.toString('latin1').replace(/\0+$/, '');
    let text = '';
    for (let at = 0; at < step; at += 4) {
      const point = cell.readUInt32LE(at);
      if (point > 0x10ffff)
        throw new RunError(`Expected Unicode text for ${name} but found ${point}.`);
      text += String.fromCodePoint(point);
    }
    return text.replace(/\0+$/, '');
  });
}

function checkLength(body: Buffer, expected: number, name: string): void {
  if (body.length === expected) return;
  throw new RunError(`Expected ${expected} bytes of data for ${name} but found ${body.length}.`);
}

/** Column-major order to row-major order. */
function toC<T extends { length: number; slice(): T; [index: number]: unknown }>(
  data: T,
  shape: readonly number[],
): T {
  const out = data.slice();
  const index = shape.map(() => 0);
  for (let i = 0; i < out.length; i++) {
    let from = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) from = from * shape[axis] + index[axis];
    out[i] = data[from];
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) {
      index[axis] = 0;
    }
  }
  return out;
}

function countValues(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function shapeText(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
}
