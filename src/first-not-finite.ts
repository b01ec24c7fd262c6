type Floats = Float32Array | Float64Array;

/** Position of the first value that is NaN or infinite; -1 where there is none. */
export function firstNotFinite(values: Floats): number {
  return isAllFinite(values) ? -1 : values.findIndex((value) => !Number.isFinite(value));
}

// x * 0 is 0 for every finite x and NaN for the rest; four independent sums run in parallel.
function isAllFinite(values: Floats): boolean {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = values.length - (values.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += values[i] * 0;
    b += values[i + 1] * 0;
    c += values[i + 2] * 0;
    d += values[i + 3] * 0;
  }
  for (let i = whole; i < values.length; i++) a += values[i] * 0;
  return a + b + c + d === 0;
}
