/** Points of a plane in a grid of cells, to find the one under the pointer. */
export interface PointGrid {
  /** The nearest point that `isShown`, within `radius`; -1 without one. Same units as the coordinates. */
  nearest(x: number, y: number, radius: number, isShown: (point: number) => boolean): number;
}

const CELLS = 256;

export function pointGrid(xs: Float32Array, ys: Float32Array, bounds: Bounds): PointGrid {
  const { minX, minY } = bounds;
  const sizeX = (bounds.maxX - minX) / CELLS || 1;
  const sizeY = (bounds.maxY - minY) / CELLS || 1;
  const clamp = (cell: number) => Math.min(CELLS - 1, Math.max(0, Math.floor(cell)));
  const cellOf = (point: number) =>
    clamp((ys[point] - minY) / sizeY) * CELLS + clamp((xs[point] - minX) / sizeX);
  // Points sorted by cell, and where each cell begins.
  const starts = new Uint32Array(CELLS * CELLS + 1);
  for (let i = 0; i < xs.length; i++) starts[cellOf(i) + 1]++;
  for (let c = 0; c < CELLS * CELLS; c++) starts[c + 1] += starts[c];
  const next = starts.slice();
  const sorted = new Uint32Array(xs.length);
  for (let i = 0; i < xs.length; i++) sorted[next[cellOf(i)]++] = i;
  return {
    nearest(x, y, radius, isShown) {
      let best = -1;
      let limit = radius * radius;
      const fromX = clamp((x - radius - minX) / sizeX);
      const toX = clamp((x + radius - minX) / sizeX);
      const toY = clamp((y + radius - minY) / sizeY);
      for (let cy = clamp((y - radius - minY) / sizeY); cy <= toY; cy++) {
        for (let s = starts[cy * CELLS + fromX]; s < starts[cy * CELLS + toX + 1]; s++) {
          const point = sorted[s];
          const far = (xs[point] - x) ** 2 + (ys[point] - y) ** 2;
          if (far > limit || !isShown(point)) continue;
          limit = far;
          best = point;
        }
      }
      return best;
    },
  };
}

export interface Bounds {
  readonly minX: number;
  readonly maxX: number;
  readonly minY: number;
  readonly maxY: number;
}

export function boundsOf(xs: Float32Array, ys: Float32Array): Bounds {
  let [minX, maxX, minY, maxY] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < xs.length; i++) {
    minX = Math.min(minX, xs[i]);
    maxX = Math.max(maxX, xs[i]);
    minY = Math.min(minY, ys[i]);
    maxY = Math.max(maxY, ys[i]);
  }
  if (xs.length === 0) return { minX: -1, maxX: 1, minY: -1, maxY: 1 };
  if (minX === maxX) [minX, maxX] = [minX - 1, maxX + 1];
  if (minY === maxY) [minY, maxY] = [minY - 1, maxY + 1];
  return { minX, maxX, minY, maxY };
}
