import type { PageData, PagePoints } from '../page-data.ts';

/** The points as the page works with them. */
export interface Points {
  readonly count: number;
  readonly layers: readonly Layer[];
  readonly targets: Uint32Array;
  /** Bits of the kinds of findings. */
  readonly kinds: Uint8Array;
  /** Positions in the names of the parts, or -1; undefined without parts. */
  readonly parts: Int8Array | undefined;
  readonly origins: readonly string[];
}

/** What one layer says of all points. */
export interface Layer {
  readonly label: string;
  readonly k: number;
  /** float32 [count, k] */
  readonly values: Float32Array;
  readonly variance: readonly number[];
}

export function readData(): PageData {
  return JSON.parse(document.getElementById('data')!.textContent) as PageData;
}

export function readPoints(points: PagePoints): Points {
  const shared = new Uint16Array(bytesOf(points.shared));
  const origins: string[] = [];
  let last = '';
  points.rests.forEach((rest, i) => {
    last = last.slice(0, shared[i]) + rest;
    origins.push(last);
  });
  return {
    count: points.count,
    layers: points.layers.map((layer) => ({
      ...layer,
      values: new Float32Array(bytesOf(layer.values)),
    })),
    targets: new Uint32Array(bytesOf(points.targets)),
    kinds: new Uint8Array(bytesOf(points.kinds)),
    parts: points.parts && new Int8Array(bytesOf(points.parts.of)),
    origins,
  };
}

export function bytesOf(base64: string): ArrayBuffer {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}

export interface Neighbour {
  readonly point: number;
  readonly distance: number;
}

/** The nearest points in all components, by comparing with every one: exact, some 10 ms for 200,000. */
export function nearest(
  { values, k }: Pick<Layer, 'values' | 'k'>,
  point: number,
  most: number,
): Neighbour[] {
  const found: Neighbour[] = [];
  const count = values.length / k;
  const at = point * k;
  let limit = Number.POSITIVE_INFINITY;
  for (let other = 0; other < count; other++) {
    if (other === point) continue;
    let sum = 0;
    for (let c = 0, i = other * k; c < k && sum < limit; c++, i++) {
      sum += (values[i] - values[at + c]) ** 2;
    }
    if (sum >= limit) continue;
    let place = found.length;
    while (place > 0 && found[place - 1].distance > sum) place--;
    found.splice(place, 0, { point: other, distance: sum });
    if (found.length > most) found.pop();
    if (found.length === most) limit = found[most - 1].distance;
  }
  return found.map((neighbour) => ({ ...neighbour, distance: Math.sqrt(neighbour.distance) }));
}

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
