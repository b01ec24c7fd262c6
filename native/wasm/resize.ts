/**
 * The two passes of Pillow's resize in WebAssembly (AssemblyScript, compiled by scripts/build-wasm.mjs), to the bits of
 * src/image/resize/resize-kernels.ts. Places are in bytes; the tables are those of src/image/resize/resize-simd.ts.
 */

/** Weights are cut in two int16: the bits above and the unsigned ones below. */
const LOW_BITS: i32 = 12;
const PRECISION_BITS: i32 = 22;
/** Sums begin with one half, so that they are rounded when they are cut. */
const HALF: i32 = 1 << (PRECISION_BITS - 1);
/** Before the steps of each output position: where its window starts, in bytes, and how many steps follow. */
const HEAD_BYTES: usize = 8;
const ROW_STEP_BYTES: usize = 16;
const COLUMN_STEP_BYTES: usize = 8;

/**
 * Horizontal pass: pairs of rows of RGB pixels to `width` pixels each, in rows of `outBytes`. For each output
 * pixel the sums of its channels run in three lanes; four taps a step, whose weights serve both rows. Reads up
 * to 16 bytes and writes one byte beyond what it is for; an odd last row has the one behind it as its partner.
 */
export function rows(
  source: usize,
  rowBytes: usize,
  rowPairs: i32,
  table: usize,
  width: i32,
  out: usize,
  outBytes: usize,
): void {
  for (; rowPairs > 0; rowPairs--, source += 2 * rowBytes, out += 2 * outBytes) {
    let entry = table;
    let to0 = out;
    let to1 = out + outBytes;
    for (let x = width; x > 0; x--, to0 += 3, to1 += 3) {
      let at0 = source + load<i32>(entry);
      let at1 = at0 + rowBytes;
      const steps = load<i32>(entry, 4);
      entry += HEAD_BYTES;
      let high0 = i32x4.splat(0);
      let high1 = i32x4.splat(0);
      let low0 = i32x4.splat(HALF);
      let low1 = i32x4.splat(HALF);
      let n = steps;
      do {
        const pixels0 = v128.load(at0);
        const pixels1 = v128.load(at1);
        let pair0 = firstPair(pixels0);
        let pair1 = firstPair(pixels1);
        let weights = v128.load_splat<i32>(entry);
        high0 = i32x4.add(high0, i32x4.dot_i16x8_s(pair0, weights));
        high1 = i32x4.add(high1, i32x4.dot_i16x8_s(pair1, weights));
        weights = v128.load_splat<i32>(entry, 4);
        low0 = i32x4.add(low0, i32x4.dot_i16x8_s(pair0, weights));
        low1 = i32x4.add(low1, i32x4.dot_i16x8_s(pair1, weights));
        pair0 = secondPair(pixels0);
        pair1 = secondPair(pixels1);
        weights = v128.load_splat<i32>(entry, 8);
        high0 = i32x4.add(high0, i32x4.dot_i16x8_s(pair0, weights));
        high1 = i32x4.add(high1, i32x4.dot_i16x8_s(pair1, weights));
        weights = v128.load_splat<i32>(entry, 12);
        low0 = i32x4.add(low0, i32x4.dot_i16x8_s(pair0, weights));
        low1 = i32x4.add(low1, i32x4.dot_i16x8_s(pair1, weights));
        entry += ROW_STEP_BYTES;
        at0 += 12;
        at1 += 12;
      } while (--n);
      v128.store32_lane(to0, toBytes(whole(high0, low0), whole(high0, low0)), 0);
      v128.store32_lane(to1, toBytes(whole(high1, low1), whole(high1, low1)), 0);
    }
  }
}

/**
 * Vertical pass: rows of `rowBytes` to `height` rows of `outBytes`, in strips of eight bytes. The last strip of a
 * row reaches into what follows, which the next row writes over.
 */
export function columns(
  source: usize,
  rowBytes: usize,
  table: usize,
  height: i32,
  strips: i32,
  out: usize,
  outBytes: usize,
): void {
  for (; height > 0; height--, out += outBytes) {
    let column = source + load<i32>(table);
    const steps = load<i32>(table, 4);
    let to = out;
    for (let strip = strips; strip > 0; strip--, column += 8, to += 8) {
      let at = column;
      let entry = table + HEAD_BYTES;
      let high0 = i32x4.splat(0);
      let high1 = i32x4.splat(0);
      let low0 = i32x4.splat(HALF);
      let low1 = i32x4.splat(HALF);
      let n = steps;
      do {
        const bytes = interleaved(v128.load64_zero(at), v128.load64_zero(at + rowBytes));
        const first = i16x8.extend_low_i8x16_u(bytes);
        const second = i16x8.extend_high_i8x16_u(bytes);
        let weights = v128.load_splat<i32>(entry);
        high0 = i32x4.add(high0, i32x4.dot_i16x8_s(first, weights));
        high1 = i32x4.add(high1, i32x4.dot_i16x8_s(second, weights));
        weights = v128.load_splat<i32>(entry, 4);
        low0 = i32x4.add(low0, i32x4.dot_i16x8_s(first, weights));
        low1 = i32x4.add(low1, i32x4.dot_i16x8_s(second, weights));
        entry += COLUMN_STEP_BYTES;
        at += 2 * rowBytes;
      } while (--n);
      v128.store64_lane(to, toBytes(whole(high0, low0), whole(high1, low1)), 0);
    }
    table += HEAD_BYTES + <usize>steps * COLUMN_STEP_BYTES;
  }
}

/** Pixels 0 and 1 of four as pairs of int16: r r, g g, b b, 0 0. */
function firstPair(pixels: v128): v128 {
  // biome-ignore format: one line a pair of lanes
  return v128.shuffle<u8>(pixels, i32x4.splat(0), 0, 16, 3, 16, 1, 16, 4, 16, 2, 16, 5, 16, 16, 16, 16, 16);
}

/** Pixels 2 and 3. */
function secondPair(pixels: v128): v128 {
  // biome-ignore format: one line a pair of lanes
  return v128.shuffle<u8>(pixels, i32x4.splat(0), 6, 16, 9, 16, 7, 16, 10, 16, 8, 16, 11, 16, 16, 16, 16, 16);
}

/** Eight bytes of one row between eight of another. */
function interleaved(above: v128, below: v128): v128 {
  // biome-ignore format: one line
  return v128.shuffle<u8>(above, below, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** The whole sum as a number of the size of a byte, before it is clipped. */
function whole(high: v128, low: v128): v128 {
  return i32x4.shr_s(i32x4.add(i32x4.shl(high, LOW_BITS), low), PRECISION_BITS);
}

/** Eight int32 to bytes, clipped. */
function toBytes(left: v128, right: v128): v128 {
  const narrow = i16x8.narrow_i32x4_s(left, right);
  return i8x16.narrow_i16x8_u(narrow, narrow);
}
