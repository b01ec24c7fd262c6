import { type Code, encodeModule, f64x2, i32, local, MOST_PAGES } from '../../wasm/wasm-encoder.ts';

/** Values of a row taken in one step; rows are padded with zeros to a multiple of it. */
export const QUAD = 4;
/** Vectors taken at a time. */
export const LANES = 4;

const HALVES = [0, 1];
const VECTORS = [0, 1, 2, 3];
const SUMS = [0, 1].flatMap((row) => VECTORS.map((v) => `${row}${v}`));

const PROJECT = ['x', 'next', 'xStep', 'q', 'shift', 'z', 'rowPairs', 'quads'];
const BACK = ['x', 'next', 'xStep', 'y', 'shift', 'z', 'rowPairs', 'quads'];
const COLUMNS = ['x', 'origin', 'mean', 'squares', 'share', 'check', 'quads'];

/**
 * For each pair of rows: z[row][v] += (row - shift) . q[v], even and odd values summed apart (two lanes).
 * q lies as [quads * 2][4 vectors][2 values]: one pointer, and eight sums stay in registers.
 */
export function encodeProject(): Uint8Array<ArrayBuffer> {
  const v = local([...PROJECT, 'px', 'pn', 'pq', 'ps', 'n'], ['less', 'a', 'b', 'value', ...SUMS]);
  const step = HALVES.flatMap((half) => [
    ...loadRows(v, half),
    ...VECTORS.flatMap((vector) => [
      v.set('value', f64x2.load(v.get('pq'), 64 * half + 16 * vector)),
      v.set(`0${vector}`, f64x2.add(v.get(`0${vector}`), f64x2.mul(v.get('a'), v.get('value')))),
      v.set(`1${vector}`, f64x2.add(v.get(`1${vector}`), f64x2.mul(v.get('b'), v.get('value')))),
    ]),
  ]);
  const body = v.repeat('rowPairs', [
    ...startRows(v, 'pq', 'q'),
    ...SUMS.map((sum, i) => v.set(sum, f64x2.load(v.get('z'), 16 * i))),
    ...v.repeat('n', [...step, ...advanceRows(v, 'pq')]),
    ...SUMS.map((sum, i) => f64x2.store(v.get('z'), 16 * i, v.get(sum))),
    ...nextRows(v),
  ]);
  return encodeOnSharedRows(v, body);
}

/** For each pair of rows: y[v] += z[row][v] (row - shift), y laid out as q above. */
export function encodeBack(): Uint8Array<ArrayBuffer> {
  const v = local([...BACK, 'px', 'pn', 'py', 'ps', 'n'], ['less', 'a', 'b', ...SUMS]);
  const step = HALVES.flatMap((half) => [
    ...loadRows(v, half),
    ...VECTORS.map((vector) => {
      const at = 64 * half + 16 * vector;
      const first = f64x2.mul(v.get('a'), v.get(`0${vector}`));
      const second = f64x2.mul(v.get('b'), v.get(`1${vector}`));
      const sum = f64x2.add(f64x2.add(f64x2.load(v.get('py'), at), first), second);
      return f64x2.store(v.get('py'), at, sum);
    }),
  ]);
  const body = v.repeat('rowPairs', [
    ...startRows(v, 'py', 'y'),
    // Both lanes get the whole sum.
    ...SUMS.flatMap((sum, i) => [
      v.set(sum, f64x2.load(v.get('z'), 16 * i)),
      v.set(sum, f64x2.add(v.get(sum), f64x2.swap(v.get(sum)))),
    ]),
    ...v.repeat('n', [...step, ...advanceRows(v, 'py')]),
    ...nextRows(v),
  ]);
  return encodeOnSharedRows(v, body);
}

/** Welford's recurrence for each column, with one more row; `check` turns NaN on a value that is not finite. */
export function encodeColumns(): Uint8Array<ArrayBuffer> {
  const v = local(COLUMNS, ['factor', 'bad', 'value', 'delta', 'centre']);
  const step = HALVES.flatMap((half) => [
    v.set(
      'value',
      f64x2.sub(f64x2.loadFloats(v.get('x'), 8 * half), f64x2.load(v.get('origin'), 16 * half)),
    ),
    v.set('bad', f64x2.add(v.get('bad'), f64x2.sub(v.get('value'), v.get('value')))),
    v.set('centre', f64x2.load(v.get('mean'), 16 * half)),
    v.set('delta', f64x2.sub(v.get('value'), v.get('centre'))),
    v.set('centre', f64x2.add(v.get('centre'), f64x2.mul(v.get('delta'), v.get('factor')))),
    f64x2.store(v.get('mean'), 16 * half, v.get('centre')),
    f64x2.store(
      v.get('squares'),
      16 * half,
      f64x2.add(
        f64x2.load(v.get('squares'), 16 * half),
        f64x2.mul(v.get('delta'), f64x2.sub(v.get('value'), v.get('centre'))),
      ),
    ),
  ]);
  const body = [
    v.set('factor', f64x2.load(v.get('share'), 0)),
    v.set('bad', f64x2.zero),
    ...v.repeat('quads', [
      ...step,
      v.advance('x', i32.constant(16)),
      ...['origin', 'mean', 'squares'].map((name) => v.advance(name, i32.constant(32))),
    ]),
    f64x2.store(v.get('check'), 0, v.get('bad')),
  ];
  return encodeModule({ name: 'run', params: 7, locals: v.declare(7), body });
}

type Variables = ReturnType<typeof local>;

/** Rows that the threads share; x, next, shift and the like are the eight parameters. */
function encodeOnSharedRows(v: Variables, body: readonly Code[]): Uint8Array<ArrayBuffer> {
  return encodeModule({
    name: 'run',
    params: 8,
    locals: v.declare(8),
    body,
    sharedPages: MOST_PAGES,
  });
}

function startRows(v: Variables, pointer: string, from: string) {
  return [
    v.set('px', v.get('x')),
    v.set('pn', v.get('next')),
    v.set(pointer, v.get(from)),
    v.set('ps', v.get('shift')),
    v.set('n', v.get('quads')),
  ];
}

/** Two values of each of two rows, less the shift. */
function loadRows(v: Variables, half: number) {
  return [
    v.set('less', f64x2.load(v.get('ps'), 16 * half)),
    v.set('a', f64x2.sub(f64x2.loadFloats(v.get('px'), 8 * half), v.get('less'))),
    v.set('b', f64x2.sub(f64x2.loadFloats(v.get('pn'), 8 * half), v.get('less'))),
  ];
}

function advanceRows(v: Variables, pointer: string) {
  return [
    v.advance('px', i32.constant(16)),
    v.advance('pn', i32.constant(16)),
    v.advance(pointer, i32.constant(128)),
    v.advance('ps', i32.constant(32)),
  ];
}

function nextRows(v: Variables) {
  return [
    v.advance('x', v.get('xStep')),
    v.advance('next', v.get('xStep')),
    v.advance('z', i32.constant(128)),
  ];
}
