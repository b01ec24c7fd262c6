/**
 * The kernels of the PCA in WebAssembly (AssemblyScript, compiled by scripts/build-wasm.mjs): what runs where the addon
 * of native/reduce cannot. Both add in the same order, and a product is rounded before it is added, or exact: the same bits.
 * Places and steps are in bytes.
 */

/** C += A^T B for `groups` tiles of 4 x 4, see src/reduce/kernels.ts. */
export function multiply(
  a: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  bGroupStep: usize,
  groups: i32,
  depth: i32,
  c: usize,
  cStep: usize,
): void {
  for (; groups > 0; groups--, b += bGroupStep, c += 32) {
    // Eight sums of two doubles, two of B and one of A: 11 of the 16 registers of x86-64.
    let s00 = f64x2.splat(0);
    let s01 = f64x2.splat(0);
    let s10 = f64x2.splat(0);
    let s11 = f64x2.splat(0);
    let s20 = f64x2.splat(0);
    let s21 = f64x2.splat(0);
    let s30 = f64x2.splat(0);
    let s31 = f64x2.splat(0);
    let pa = a;
    let pb = b;
    let n = depth;
    do {
      const b0 = v128.load(pb);
      const b1 = v128.load(pb, 16);
      let value = v128.load_splat<f64>(pa);
      s00 = f64x2.add(s00, f64x2.mul(value, b0));
      s01 = f64x2.add(s01, f64x2.mul(value, b1));
      value = v128.load_splat<f64>(pa, 8);
      s10 = f64x2.add(s10, f64x2.mul(value, b0));
      s11 = f64x2.add(s11, f64x2.mul(value, b1));
      value = v128.load_splat<f64>(pa, 16);
      s20 = f64x2.add(s20, f64x2.mul(value, b0));
      s21 = f64x2.add(s21, f64x2.mul(value, b1));
      value = v128.load_splat<f64>(pa, 24);
      s30 = f64x2.add(s30, f64x2.mul(value, b0));
      s31 = f64x2.add(s31, f64x2.mul(value, b1));
      pa += aStep;
      pb += bStep;
    } while (--n);
    addTo(c, s00, s01);
    addTo(c + cStep, s10, s11);
    addTo(c + 2 * cStep, s20, s21);
    addTo(c + 3 * cStep, s30, s31);
  }
}

/** Rows of float32, laid out as [group][row][4] of float64, see src/reduce/kernels.ts. @returns whether all are finite */
export function pack(
  rows: usize,
  rowStep: usize,
  count: i32,
  groups: i32,
  to: usize,
  groupStep: usize,
): bool {
  let bad = f64x2.splat(0);
  for (; count > 0; count--, rows += rowStep, to += 32) {
    let px = rows;
    let po = to;
    let n = groups;
    do {
      const left = f64x2.promote_low_f32x4(v128.load64_zero(px));
      const right = f64x2.promote_low_f32x4(v128.load64_zero(px, 8));
      bad = f64x2.add(bad, f64x2.add(f64x2.sub(left, left), f64x2.sub(right, right)));
      v128.store(po, left);
      v128.store(po, right, 16);
      px += 16;
      po += groupStep;
    } while (--n);
  }
  return isZero(bad);
}

/** Rows of a panel [group][row][4] become relative to a near value, and their means go on, see src/reduce/kernels.ts. */
export function centre(
  panel: usize,
  groupStep: usize,
  groups: i32,
  rows: i32,
  joinRow: i32,
  origin: usize,
  means: usize,
  weight: f64,
  share: f64,
): void {
  for (; groups > 0; groups--, panel += groupStep, origin += 32, means += 32) {
    centrePair(panel, rows, joinRow, origin, means, weight, share);
    centrePair(panel + 16, rows, joinRow, origin + 16, means + 16, weight, share);
  }
}

/** Two columns of it. */
function centrePair(
  column: usize,
  rows: i32,
  joinRow: i32,
  origin: usize,
  means: usize,
  weight: f64,
  share: f64,
): void {
  const end = column + 32 * rows;
  const first = v128.load(column);
  let low = first;
  let high = first;
  for (let at = column + 32; at < end; at += 32) {
    const value = v128.load(at);
    low = f64x2.pmin(low, value);
    high = f64x2.pmax(high, value);
  }
  const less = v128.and(first, isNear(low, high));
  let sum = f64x2.splat(0);
  for (let at = column; at < end; at += 32) {
    const value = f64x2.sub(v128.load(at), less);
    v128.store(at, value);
    sum = f64x2.add(sum, value);
  }
  const count = f64x2.splat(rows);
  const mean = f64x2.div(sum, count);
  const old = v128.load(means);
  const delta = f64x2.sub(f64x2.add(f64x2.sub(less, v128.load(origin)), mean), old);
  const weighted = f64x2.mul(f64x2.splat(weight), delta);
  const join = column + 32 * joinRow;
  v128.store(join, f64x2.mul(f64x2.sub(f64x2.splat(0), count), mean));
  v128.store(join, weighted, 32);
  v128.store(join, mean, 64);
  v128.store(join, weighted, 96);
  v128.store(means, f64x2.add(old, f64x2.mul(delta, f64x2.splat(share))));
}

/** Lanes where all is from `low` > 0 to twice that, or from twice `high` < 0 to that. */
function isNear(low: v128, high: v128): v128 {
  const zero = f64x2.splat(0);
  const up = v128.and(f64x2.gt(low, zero), f64x2.le(high, f64x2.add(low, low)));
  const down = v128.and(f64x2.lt(high, zero), f64x2.ge(low, f64x2.add(high, high)));
  return v128.or(up, down);
}

/**
 * For each pair of rows: z[row][v] += (row - shift) . q[v], even and odd values summed apart (two lanes).
 * q lies as [quads * 2][4 vectors][2 values]: one pointer, and eight sums stay in registers.
 */
export function project(
  x: usize,
  next: usize,
  xStep: usize,
  q: usize,
  shift: usize,
  z: usize,
  rowPairs: i32,
  quads: i32,
): void {
  for (; rowPairs > 0; rowPairs--, x += xStep, next += xStep, z += 128) {
    let s00 = v128.load(z);
    let s01 = v128.load(z, 16);
    let s02 = v128.load(z, 32);
    let s03 = v128.load(z, 48);
    let s10 = v128.load(z, 64);
    let s11 = v128.load(z, 80);
    let s12 = v128.load(z, 96);
    let s13 = v128.load(z, 112);
    let px = x;
    let pn = next;
    let pq = q;
    let ps = shift;
    // Two values a step: half a quad.
    let n = 2 * quads;
    do {
      const a = centred(px, ps);
      const b = centred(pn, ps);
      let value = v128.load(pq);
      s00 = f64x2.add(s00, f64x2.mul(a, value));
      s10 = f64x2.add(s10, f64x2.mul(b, value));
      value = v128.load(pq, 16);
      s01 = f64x2.add(s01, f64x2.mul(a, value));
      s11 = f64x2.add(s11, f64x2.mul(b, value));
      value = v128.load(pq, 32);
      s02 = f64x2.add(s02, f64x2.mul(a, value));
      s12 = f64x2.add(s12, f64x2.mul(b, value));
      value = v128.load(pq, 48);
      s03 = f64x2.add(s03, f64x2.mul(a, value));
      s13 = f64x2.add(s13, f64x2.mul(b, value));
      px += 8;
      pn += 8;
      pq += 64;
      ps += 16;
    } while (--n);
    v128.store(z, s00);
    v128.store(z, s01, 16);
    v128.store(z, s02, 32);
    v128.store(z, s03, 48);
    v128.store(z, s10, 64);
    v128.store(z, s11, 80);
    v128.store(z, s12, 96);
    v128.store(z, s13, 112);
  }
}

/** For each pair of rows: y[v] += z[row][v] (row - shift), y laid out as q above. */
export function back(
  x: usize,
  next: usize,
  xStep: usize,
  y: usize,
  shift: usize,
  z: usize,
  rowPairs: i32,
  quads: i32,
): void {
  for (; rowPairs > 0; rowPairs--, x += xStep, next += xStep, z += 128) {
    const s00 = wholeSum(z);
    const s01 = wholeSum(z + 16);
    const s02 = wholeSum(z + 32);
    const s03 = wholeSum(z + 48);
    const s10 = wholeSum(z + 64);
    const s11 = wholeSum(z + 80);
    const s12 = wholeSum(z + 96);
    const s13 = wholeSum(z + 112);
    let px = x;
    let pn = next;
    let py = y;
    let ps = shift;
    let n = 2 * quads;
    do {
      const a = centred(px, ps);
      const b = centred(pn, ps);
      addProducts(py, f64x2.mul(a, s00), f64x2.mul(b, s10));
      addProducts(py + 16, f64x2.mul(a, s01), f64x2.mul(b, s11));
      addProducts(py + 32, f64x2.mul(a, s02), f64x2.mul(b, s12));
      addProducts(py + 48, f64x2.mul(a, s03), f64x2.mul(b, s13));
      px += 8;
      pn += 8;
      py += 64;
      ps += 16;
    } while (--n);
  }
}

/**
 * Welford's recurrence for each column, with one more row, whose share of the mean is 1 / rows so far.
 * @returns whether all values are finite
 */
export function addRow(
  x: usize,
  origin: usize,
  mean: usize,
  squares: usize,
  share: f64,
  quads: i32,
): bool {
  const factor = f64x2.splat(share);
  let bad = f64x2.splat(0);
  let n = 2 * quads;
  do {
    const value = centred(x, origin);
    bad = f64x2.add(bad, f64x2.sub(value, value));
    const old = v128.load(mean);
    const delta = f64x2.sub(value, old);
    const centre = f64x2.add(old, f64x2.mul(delta, factor));
    v128.store(mean, centre);
    const square = f64x2.mul(delta, f64x2.sub(value, centre));
    v128.store(squares, f64x2.add(v128.load(squares), square));
    x += 8;
    origin += 16;
    mean += 16;
    squares += 16;
  } while (--n);
  return isZero(bad);
}

function isZero(sums: v128): bool {
  return f64x2.extract_lane(sums, 0) === 0 && f64x2.extract_lane(sums, 1) === 0;
}

/** Two float32 as float64, less a shift. */
function centred(at: usize, shift: usize): v128 {
  return f64x2.sub(f64x2.promote_low_f32x4(v128.load64_zero(at)), v128.load(shift));
}

function addTo(c: usize, left: v128, right: v128): void {
  v128.store(c, f64x2.add(v128.load(c), left));
  v128.store(c, f64x2.add(v128.load(c, 16), right), 16);
}

function addProducts(to: usize, first: v128, second: v128): void {
  v128.store(to, f64x2.add(f64x2.add(v128.load(to), first), second));
}

/** The sums of the even and of the odd values, added, in both lanes. */
function wholeSum(at: usize): v128 {
  const sum = v128.load(at);
  return f64x2.add(sum, v128.shuffle<f64>(sum, sum, 1, 0));
}
