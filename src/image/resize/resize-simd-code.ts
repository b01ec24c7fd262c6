import { encodeModule, i16x8, i32, i32x4, local, v128 } from '../../wasm/wasm-encoder.ts';
import { PRECISION_BITS } from './resize-taps.ts';

/** Weights are cut in two int16: the bits above and the unsigned ones below. */
export const LOW_BITS = 12;
/** Taps of a step of the horizontal pass, and bytes of its table: two pairs, each cut in two. */
export const ROW_STEP_TAPS = 4;
export const ROW_STEP_BYTES = 16;
/** The same of the vertical pass: one pair. */
export const COLUMN_STEP_TAPS = 2;
export const COLUMN_STEP_BYTES = 8;
/** Before the steps of each output position: where its window starts, in bytes, and how many steps follow. */
export const HEAD_BYTES = 8;

const HALF = 1 << (PRECISION_BITS - 1);
const ROWS = ['source', 'rowBytes', 'rowPairs', 'table', 'width', 'out', 'outBytes'];
const COLUMNS = ['source', 'rowBytes', 'table', 'height', 'strips', 'out', 'outBytes'];
const ROW_PAIR = [0, 1];

// A zero byte, in the second operand of a shuffle.
const Z = 16;
/** Two neighbouring pixels as pairs of int16: r r, g g, b b, 0 0. */
const FIRST_PAIR = [0, Z, 3, Z, 1, Z, 4, Z, 2, Z, 5, Z, Z, Z, Z, Z];
const SECOND_PAIR = FIRST_PAIR.map((byte) => (byte === Z ? Z : byte + 6));
/** Eight bytes of one row between eight of another. */
const INTERLEAVED = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? i / 2 : 16 + (i - 1) / 2));

/**
 * Horizontal pass: pairs of rows of RGB pixels to `width` pixels each, in rows of `outBytes`. For each output
 * pixel the sums of its channels run in three lanes; four taps a step, whose weights serve both rows. Reads up
 * to 16 bytes and writes one byte beyond what it is for; an odd last row has the one behind it as its partner.
 */
export function encodeRows(): Uint8Array<ArrayBuffer> {
  const sums = ROW_PAIR.flatMap((row) => [`high${row}`, `low${row}`]);
  const v = local(
    [...ROWS, 'entry', 'at0', 'at1', 'to0', 'to1', 'x', 'steps'],
    [
      'zero',
      'pixels',
      'weights',
      ...ROW_PAIR.flatMap((row) => [`first${row}`, `second${row}`]),
      ...sums,
    ],
  );
  const step = [
    ...ROW_PAIR.flatMap((row) => [
      v.set('pixels', v128.load(v.get(`at${row}`))),
      v.set(`first${row}`, v128.shuffle(v.get('pixels'), v.get('zero'), FIRST_PAIR)),
      v.set(`second${row}`, v128.shuffle(v.get('pixels'), v.get('zero'), SECOND_PAIR)),
      v.advance(`at${row}`, i32.constant(3 * ROW_STEP_TAPS)),
    ]),
    ...addDots(v, ['first0', 'first1'], 0),
    ...addDots(v, ['second0', 'second1'], 8),
    v.advance('entry', i32.constant(ROW_STEP_BYTES)),
  ];
  const pixel = [
    v.set('at0', i32.add(v.get('source'), i32.load(v.get('entry'), 0))),
    v.set('at1', i32.add(v.get('at0'), v.get('rowBytes'))),
    v.set('steps', i32.load(v.get('entry'), 4)),
    v.advance('entry', i32.constant(HEAD_BYTES)),
    ...startSums(v, sums),
    ...v.repeat('steps', step),
    ...ROW_PAIR.flatMap((row) => [
      v.set(`high${row}`, shifted(v, `high${row}`, `low${row}`)),
      v.set(`high${row}`, i32x4.narrow(v.get(`high${row}`), v.get(`high${row}`))),
      v128.storeQuarter(v.get(`to${row}`), i16x8.narrow(v.get(`high${row}`), v.get(`high${row}`))),
      v.advance(`to${row}`, i32.constant(3)),
    ]),
  ];
  const body = [
    v.set('zero', v128.zero),
    ...v.repeat('rowPairs', [
      v.set('entry', v.get('table')),
      v.set('x', v.get('width')),
      v.set('to0', v.get('out')),
      v.set('to1', i32.add(v.get('out'), v.get('outBytes'))),
      ...v.repeat('x', pixel),
      v.set('source', i32.add(i32.add(v.get('source'), v.get('rowBytes')), v.get('rowBytes'))),
      v.set('out', i32.add(i32.add(v.get('out'), v.get('outBytes')), v.get('outBytes'))),
    ]),
  ];
  return encodeModule({ name: 'run', params: ROWS.length, locals: v.declare(ROWS.length), body });
}

/**
 * Vertical pass: rows of `rowBytes` to `height` rows of `outBytes`, in strips of eight bytes. The last strip of a
 * row reaches into what follows, which the next row writes over.
 */
export function encodeColumns(): Uint8Array<ArrayBuffer> {
  const sums = ['high0', 'low0', 'high1', 'low1'];
  const v = local(
    [...COLUMNS, 'entry', 'start', 'column', 'at', 'to', 'n', 'steps', 'count'],
    ['bytes', 'weights', 'first', 'second', ...sums],
  );
  const below = i32.add(v.get('at'), v.get('rowBytes'));
  const step = [
    v.set('bytes', v128.shuffle(v128.loadHalf(v.get('at')), v128.loadHalf(below), INTERLEAVED)),
    v.set('first', i16x8.extendLow(v.get('bytes'))),
    v.set('second', i16x8.extendHigh(v.get('bytes'))),
    ...addDots(v, ['first', 'second'], 0),
    v.set('at', i32.add(below, v.get('rowBytes'))),
    v.advance('entry', i32.constant(COLUMN_STEP_BYTES)),
  ];
  const strip = [
    v.set('at', v.get('column')),
    v.set('entry', i32.add(v.get('table'), i32.constant(HEAD_BYTES))),
    v.set('steps', v.get('count')),
    ...startSums(v, sums),
    ...v.repeat('steps', step),
    v.set('high0', shifted(v, 'high0', 'low0')),
    v.set('high1', shifted(v, 'high1', 'low1')),
    v.set('high0', i32x4.narrow(v.get('high0'), v.get('high1'))),
    v128.storeHalf(v.get('to'), i16x8.narrow(v.get('high0'), v.get('high0'))),
    v.advance('column', i32.constant(8)),
    v.advance('to', i32.constant(8)),
  ];
  const body = v.repeat('height', [
    v.set('column', i32.add(v.get('source'), i32.load(v.get('table'), 0))),
    v.set('count', i32.load(v.get('table'), 4)),
    v.set('to', v.get('out')),
    v.set('n', v.get('strips')),
    ...v.repeat('n', strip),
    v.set('table', v.get('entry')),
    v.advance('out', v.get('outBytes')),
  ]);
  const params = COLUMNS.length;
  return encodeModule({ name: 'run', params, locals: v.declare(params), body });
}

type Variables = ReturnType<typeof local>;

/** Sums begin with one half, so that they are rounded when they are cut. */
function startSums(v: Variables, sums: readonly string[]) {
  return sums.map((sum) => v.set(sum, sum.startsWith('high') ? v128.zero : i32x4.splat(HALF)));
}

/**
 * Adds a pair of taps, in the two parts of their weights at `entry + offset` of the table, of the n-th vector
 * to the n-th sums.
 */
function addDots(v: Variables, pairs: readonly string[], offset: number) {
  return ['high', 'low'].flatMap((part, i) => [
    v.set('weights', i32x4.loadSplat(v.get('entry'), offset + 4 * i)),
    ...pairs.map((pair, n) => {
      const dot = i32x4.dot(v.get(pair), v.get('weights'));
      return v.set(`${part}${n}`, i32x4.add(v.get(`${part}${n}`), dot));
    }),
  ]);
}

/** The whole sum as a number of the size of a byte, before it is clipped. */
function shifted(v: Variables, high: string, low: string) {
  const sum = i32x4.add(i32x4.shiftLeft(v.get(high), LOW_BITS), v.get(low));
  return i32x4.shiftRight(sum, PRECISION_BITS);
}
