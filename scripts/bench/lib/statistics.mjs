/** Medians and their spread: what every table of the benchmarks shows. */

/** @param {number[]} values @returns {number} */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** @param {number[]} values @returns {{ median: number, min: number, max: number, runs: number }} */
export function spread(values) {
  return {
    median: round(median(values)),
    min: round(Math.min(...values)),
    max: round(Math.max(...values)),
    runs: values.length,
  };
}

/** Four significant digits: more is noise. @param {number} value */
export function round(value) {
  return Number(value.toPrecision(4));
}
