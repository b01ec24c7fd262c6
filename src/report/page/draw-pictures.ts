import type { Groups } from './groups.ts';
import { css } from './palette.ts';
import type { PlotView } from './plot-view.ts';
import type { Thumbs } from './thumbs.ts';

/** CSS pixels of a picture's longer side. */
const LARGEST = 56;
/** Of pictures that are thinned out, and the least where all are shown. */
const THINNED = 30;
const SMALLEST = 23;
/** Share of the plot that pictures may cover before they are thinned out. */
const COVER = 0.5;
/** How near the centres of two pictures may be, in their sizes. */
const APART = 0.72;
/** Doublings of the view after which all pictures are shown. */
const LEVELS = 12;
const BORDER = 1.5;
/** How much larger the picture is that the pointer rests on, or that is looked at. */
const RAISED = 1.5;
/** Groups below this strength are dimmed for another that the pointer rests on. */
const FAINT = 0.1;

/** A picture on the plot, in CSS pixels. */
export interface DrawnPicture {
  readonly point: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Pictures in place of points: all where they are few; else as many as have room, and more at each doubling of the
 * view. What is shown in one view stays in each closer one, and moving changes nothing.
 */
export class PictureLayer {
  readonly #thumbs: Thumbs;
  readonly #pictured: ReadonlySet<number>;
  /** The first level that shows each picture, in order of drawing. */
  #accepted: { readonly point: number; readonly level: number }[] = [];
  #pending: number[] = [];
  #level = -1;
  #scale = { x: 1, y: 1 };
  #size = LARGEST;
  #isAll = true;
  #drawn: DrawnPicture[] = [];

  constructor(thumbs: Thumbs) {
    this.#thumbs = thumbs;
    this.#pictured = new Set(thumbs.points);
  }

  /** Begins anew: other axes, another size of the plot, or other points that are shown. */
  arrange(plot: PlotView, isShown: (point: number) => boolean): void {
    const { width, height, view, zoomed } = plot;
    this.#pending = [...this.#thumbs.points].filter(isShown);
    this.#accepted = [];
    this.#level = -1;
    this.#scale = { x: view.scaleX / zoomed, y: view.scaleY / zoomed };
    const fits = Math.sqrt((COVER * width * height) / Math.max(1, this.#pending.length));
    this.#isAll = fits >= SMALLEST;
    this.#size = this.#isAll ? Math.min(LARGEST, fits) : THINNED;
  }

  /** @param strength of each group; pictures of faint ones are faint */
  draw(
    context: CanvasRenderingContext2D,
    plot: PlotView,
    groups: Groups,
    strength: Float32Array,
  ): void {
    const level = Math.max(0, Math.floor(Math.log2(plot.zoomed) + 1e-9));
    while (this.#level < Math.min(level, LEVELS)) this.#accept(plot, ++this.#level);
    // A colour that all have says nothing: then pictures are only told apart.
    const inks = groups.colors.length > 1 ? groups.colors.map(css) : ['#fff'];
    this.#drawn = [];
    for (const { point, level: from } of this.#accepted) {
      if (from > level) break;
      const box = this.#boxOf(point, plot);
      const { left, top, width, height } = box;
      const isInView =
        left < plot.width && top < plot.height && left + width > 0 && top + height > 0;
      if (!isInView) continue;
      this.#drawn.push(box);
      const group = groups.of[point];
      context.globalAlpha = strength[group] < FAINT ? 0.15 : 1;
      context.fillStyle = inks[group];
      context.fillRect(left - BORDER, top - BORDER, width + 2 * BORDER, height + 2 * BORDER);
      this.#thumbs.draw(context, point, [left, top, width, height]);
    }
    context.globalAlpha = 1;
  }

  /** Draws one picture larger, above all others; undefined where the point has none. */
  raise(
    context: CanvasRenderingContext2D,
    plot: PlotView,
    point: number,
  ): DrawnPicture | undefined {
    if (!this.#pictured.has(point)) return undefined;
    const box = this.#boxOf(point, plot, RAISED);
    const { left, top, width, height } = box;
    return this.#thumbs.draw(context, point, [left, top, width, height]) ? box : undefined;
  }

  /** No picture is drawn any more. */
  clear(): void {
    this.#drawn = [];
  }

  /** How many pictures are drawn. */
  get count(): number {
    return this.#drawn.length;
  }

  /** The uppermost picture at a place, or -1. */
  at(x: number, y: number): number {
    const found = this.#drawn.findLast(({ left, top, width, height }) => {
      return x >= left && x <= left + width && y >= top && y <= top + height;
    });
    return found?.point ?? -1;
  }

  /** Where a point's picture is, if it is drawn. */
  find(point: number): DrawnPicture | undefined {
    return this.#drawn.find((picture) => picture.point === point);
  }

  /** Pictures grow a little in a closer view. */
  #sizeAt(zoomed: number): number {
    return Math.min(96, this.#size * Math.max(1, zoomed) ** 0.2);
  }

  #boxOf(point: number, plot: PlotView, larger = 1): DrawnPicture {
    const size = larger * this.#sizeAt(plot.zoomed);
    const [width, height] = this.#thumbs.shapeOf(point).map((share) => size * share);
    const { x, y } = plot.placeOf(point);
    return { point, left: x - width / 2, top: y - height / 2, width, height };
  }

  /** Adds the pictures that have room among those of the levels before. */
  #accept(plot: PlotView, level: number): void {
    const gap = this.#isAll || level === LEVELS ? 0 : APART * this.#sizeAt(2 ** level);
    const [scaleX, scaleY] = [this.#scale.x * 2 ** level, this.#scale.y * 2 ** level];
    const placeOf = (point: number) => [plot.xs[point] * scaleX, plot.ys[point] * scaleY] as const;
    const taken = new Map<string, (readonly [number, number])[]>();
    const cellOf = (x: number, y: number) => `${Math.floor(x / gap)},${Math.floor(y / gap)}`;
    const take = (place: readonly [number, number]): void => {
      const cell = cellOf(...place);
      const others = taken.get(cell);
      if (others === undefined) taken.set(cell, [place]);
      else others.push(place);
    };
    const isFree = ([x, y]: readonly [number, number]): boolean => {
      for (const dx of [-gap, 0, gap]) {
        for (const dy of [-gap, 0, gap]) {
          for (const [left, top] of taken.get(cellOf(x + dx, y + dy)) ?? []) {
            if (Math.abs(left - x) < gap && Math.abs(top - y) < gap) return false;
          }
        }
      }
      return true;
    };
    if (gap > 0) for (const { point } of this.#accepted) take(placeOf(point));
    this.#pending = this.#pending.filter((point) => {
      const place = placeOf(point);
      if (gap > 0 && !isFree(place)) return true;
      if (gap > 0) take(place);
      this.#accepted.push({ point, level });
      return false;
    });
  }
}
