import { type Bounds, boundsOf, type PointGrid, pointGrid } from './points.ts';

/** From data to CSS pixels of the canvas: x * scaleX + left, y * scaleY + top. */
export interface View {
  readonly scaleX: number;
  readonly left: number;
  readonly scaleY: number;
  readonly top: number;
}

/** Room around the points for the axes' labels and, above, for the buttons. */
export const PADDING = { left: 44, right: 12, top: 50, bottom: 26 };
/** Room around the outermost points, as a share. */
const MARGIN = 1.04;

/** Where the points are on the plot: pan, zoom, and the point at a place. */
export class PlotView {
  xs = new Float32Array(0);
  ys = new Float32Array(0);
  width = 0;
  height = 0;
  view: View = { scaleX: 1, left: 0, scaleY: -1, top: 0 };
  #bounds: Bounds = boundsOf(this.xs, this.ys);
  #grid: PointGrid = pointGrid(this.xs, this.ys, this.#bounds);

  setPoints(xs: Float32Array<ArrayBuffer>, ys: Float32Array<ArrayBuffer>): void {
    [this.xs, this.ys] = [xs, ys];
    this.#bounds = boundsOf(xs, ys);
    this.#grid = pointGrid(xs, ys, this.#bounds);
    this.showAll();
  }

  showAll(): void {
    const { minX, maxX, minY, maxY } = this.#bounds;
    const { x: scaleX, y: scaleY } = this.#whole();
    this.view = {
      scaleX,
      left: PADDING.left + (this.#room().w - scaleX * (minX + maxX)) / 2,
      scaleY,
      top: PADDING.top + (this.#room().h - scaleY * (minY + maxY)) / 2,
    };
  }

  /** 1 where all points are shown, 2 at twice their size. */
  get zoomed(): number {
    return this.view.scaleX / this.#whole().x;
  }

  pan(dx: number, dy: number): void {
    this.view = { ...this.view, left: this.view.left + dx, top: this.view.top + dy };
  }

  /** Around a place of the plot. */
  zoom(factor: number, x: number, y: number): void {
    const next = Math.min(5000, Math.max(0.4, this.zoomed * factor));
    const by = next / this.zoomed;
    const { scaleX, left, scaleY, top } = this.view;
    this.view = {
      scaleX: scaleX * by,
      left: x + (left - x) * by,
      scaleY: scaleY * by,
      top: y + (top - y) * by,
    };
  }

  placeOf(point: number): { readonly x: number; readonly y: number } {
    const { scaleX, left, scaleY, top } = this.view;
    return { x: this.xs[point] * scaleX + left, y: this.ys[point] * scaleY + top };
  }

  isInside({ x, y }: { readonly x: number; readonly y: number }): boolean {
    return x > PADDING.left && x < this.width - 8 && y > 8 && y < this.height - PADDING.bottom;
  }

  /** The point nearest to a place, or -1 where none is within about `radius`. */
  pointAt(x: number, y: number, radius: number, isShown: (point: number) => boolean): number {
    const { scaleX, left, scaleY, top } = this.view;
    if (!(scaleX > 0)) return -1;
    // Cells are in data units: the hit circle is an ellipse there, so the larger side is searched and the pixel distance decides.
    const reach = Math.max(radius / scaleX, radius / -scaleY);
    const found = this.#grid.nearest((x - left) / scaleX, (y - top) / scaleY, reach, isShown);
    if (found < 0) return -1;
    const place = this.placeOf(found);
    return Math.hypot(place.x - x, place.y - y) <= radius * 1.5 ? found : -1;
  }

  /** Scales at which all points are shown. */
  #whole(): { readonly x: number; readonly y: number } {
    const { minX, maxX, minY, maxY } = this.#bounds;
    const { w, h } = this.#room();
    return { x: w / ((maxX - minX) * MARGIN), y: -h / ((maxY - minY) * MARGIN) };
  }

  #room(): { readonly w: number; readonly h: number } {
    return {
      w: Math.max(1, this.width - PADDING.left - PADDING.right),
      h: Math.max(1, this.height - PADDING.top - PADDING.bottom),
    };
  }
}
