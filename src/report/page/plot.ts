import { el } from './dom.ts';
import { type DrawnPicture, PictureLayer } from './draw-pictures.ts';
import { openDrawer, type PointDrawer, paintAxes } from './draw-points.ts';
import type { Groups } from './groups.ts';
import { listenToPlot } from './plot-input.ts';
import { PlotView } from './plot-view.ts';
import type { Thumbs } from './thumbs.ts';

export interface PlotEvents {
  /** The point under the pointer, or -1; where, in CSS pixels of the plot. */
  readonly onHover: (point: number, x: number, y: number) => void;
  readonly onSelect: (point: number) => void;
}

/** Marks over the points. */
export interface Marks {
  readonly selected: number;
  readonly neighbours: readonly number[];
  readonly matches: readonly number[];
}

/** Marked points that are drawn, of a search that finds thousands. */
const MOST_MATCHES = 2000;

/** What must be drawn again: the marks alone cost little for any number of points. */
type Need = 'marks' | 'points' | 'arrangement';
const NEEDS: readonly Need[] = ['marks', 'points', 'arrangement'];

/** A scatter plot with pan, zoom, hover and selection: points, pictures, and marks with axes, each on a canvas of its own. */
export class Plot {
  readonly element: HTMLElement;
  readonly #drawer: PointDrawer;
  readonly #pictures: PictureLayer;
  readonly #canvases: { readonly pictures: HTMLCanvasElement; readonly marks: HTMLCanvasElement };
  readonly #view = new PlotView();
  readonly #events: PlotEvents;
  readonly #count: number;
  #groups: Groups;
  #strength: Float32Array;
  #marks: Marks = { selected: -1, neighbours: [], matches: [] };
  #hovered = -1;
  #hasPictures = false;
  #need: Need | undefined;

  constructor(count: number, groups: Groups, thumbs: Thumbs, events: PlotEvents) {
    this.#count = count;
    this.#events = events;
    this.#groups = groups;
    this.#strength = new Float32Array(groups.names.length).fill(1);
    this.#pictures = new PictureLayer(thumbs);
    thumbs.onReady = () => this.#ask('points');
    this.#drawer = openDrawer(() => layer('plot-points'), count);
    const pictures = layer('plot-pictures');
    const marks = el('canvas', {
      class: 'plot-marks',
      tabindex: 0,
      role: 'application',
      'aria-roledescription': 'scatter plot',
      'aria-label':
        'Map of the images. Arrow keys move, plus and minus zoom, 0 shows all, Escape closes. To reach an image by keyboard, use the search.',
    });
    this.#canvases = { pictures, marks };
    this.element = el('div', { class: 'plot' }, this.#drawer.canvas, pictures, marks);
    listenToPlot(marks, this.#controls());
    new ResizeObserver(() => this.#resize()).observe(this.element);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
      this.#ask('points'),
    );
  }

  get kind(): 'webgl' | 'canvas' {
    return this.#drawer.kind;
  }

  setPoints(xs: Float32Array<ArrayBuffer>, ys: Float32Array<ArrayBuffer>): void {
    this.#view.setPoints(xs, ys);
    this.#drawer.setPositions(xs, ys);
    this.#ask('arrangement');
  }

  /** @param strength how strongly each group is drawn, 0 (hidden) to 1 */
  setGroups(groups: Groups, strength: Float32Array): void {
    const isSame =
      groups === this.#groups && strength.every((s, i) => s > 0 === this.#strength[i] > 0);
    this.#groups = groups;
    this.#strength = strength;
    this.#drawer.setGroups(groups, strength);
    this.#ask(isSame ? 'points' : 'arrangement');
  }

  setMarks(marks: Marks): void {
    this.#marks = marks;
    this.#ask('marks');
  }

  showPictures(isOn: boolean): void {
    this.#hasPictures = isOn;
    this.#ask('arrangement');
  }

  /** Moves the view so that a point is inside. */
  reveal(point: number): void {
    const place = this.#view.placeOf(point);
    if (this.#view.isInside(place)) return;
    this.#view.pan(this.#view.width / 2 - place.x, this.#view.height / 2 - place.y);
    this.#ask('points');
  }

  reset(): void {
    this.#view.showAll();
    this.#ask('points');
  }

  zoom(factor: number, x = this.#view.width / 2, y = this.#view.height / 2): void {
    this.#view.zoom(factor, x, y);
    this.#ask('points');
  }

  #controls() {
    return {
      pan: (dx: number, dy: number) => {
        this.#view.pan(dx, dy);
        this.#ask('points');
      },
      zoom: (factor: number, x?: number, y?: number) => this.zoom(factor, x, y),
      reset: () => this.reset(),
      pointAt: (x: number, y: number, radius: number) => this.#pointAt(x, y, radius),
      setHovered: (point: number, x: number, y: number) => this.#setHovered(point, x, y),
      select: this.#events.onSelect,
    };
  }

  #isShown(point: number): boolean {
    return this.#strength[this.#groups.of[point]] > 0;
  }

  #pointAt(x: number, y: number, radius: number): number {
    const picture = this.#pictures.at(x, y);
    if (picture >= 0) return picture;
    return this.#view.pointAt(x, y, radius, (point) => this.#isShown(point));
  }

  #setHovered(point: number, x: number, y: number): void {
    if (point >= 0 || point !== this.#hovered) this.#events.onHover(point, x, y);
    if (point === this.#hovered) return;
    this.#hovered = point;
    this.#ask('marks');
  }

  #resize(): void {
    const { element } = this;
    const view = this.#view;
    const before = view.width;
    [view.width, view.height] = [element.clientWidth, element.clientHeight];
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    for (const canvas of [this.#drawer.canvas, ...Object.values(this.#canvases)]) {
      canvas.width = Math.max(1, Math.round(view.width * ratio));
      canvas.height = Math.max(1, Math.round(view.height * ratio));
    }
    if (before !== view.width) view.showAll();
    // Setting a size empties a canvas: it is filled before it can be seen.
    this.#need = 'arrangement';
    this.#paint();
  }

  /** Draws with the next frame. */
  #ask(need: Need): void {
    if (this.#need === undefined) requestAnimationFrame(() => this.#paint());
    const needs = [this.#need ?? need, need].map((one) => NEEDS.indexOf(one));
    this.#need = NEEDS[Math.max(...needs)];
  }

  #paint(): void {
    const need = this.#need;
    this.#need = undefined;
    if (this.#view.width === 0 || need === undefined) return;
    const { zoomed, view } = this.#view;
    const size = pointSize(this.#count, zoomed);
    if (need === 'arrangement') this.#pictures.arrange(this.#view, (point) => this.#isShown(point));
    if (need !== 'marks') {
      this.#drawer.draw(view, size);
      this.#paintPictures();
    }
    this.#paintMarks(size);
    this.element.dataset.painted = String(Number(this.element.dataset.painted ?? 0) + 1);
    this.element.dataset.pictures = String(this.#pictures.count);
  }

  #paintPictures(): void {
    this.#canvases.pictures.hidden = !this.#hasPictures;
    if (!this.#hasPictures) {
      this.#pictures.clear();
      return;
    }
    const context = this.#clear(this.#canvases.pictures);
    this.#pictures.draw(context, this.#view, this.#groups, this.#strength);
  }

  #paintMarks(size: number): void {
    const context = this.#clear(this.#canvases.marks);
    const style = getComputedStyle(this.element);
    const [ink, faint, accent, line] = ['--ink', '--ink-3', '--accent', '--line'].map((name) =>
      style.getPropertyValue(name),
    ) as [string, string, string, string];
    const { view, width, height } = this.#view;
    paintAxes(context, { view, width, height, ink: faint, line });
    const { selected, neighbours, matches } = this.#marks;
    const ring = (point: number, room: number, color: string, thick: number) => {
      if (!this.#isShown(point)) return;
      const isRaised = (point === selected || point === this.#hovered) && this.#hasPictures;
      const raised = isRaised ? this.#pictures.raise(context, this.#view, point) : undefined;
      const picture = raised ?? this.#pictures.find(point);
      this.#ring(context, { point, picture, radius: size / 2 + room, color, thick });
    };
    for (const point of matches.slice(0, MOST_MATCHES)) ring(point, 2.5, ink, 1.4);
    if (selected >= 0) {
      this.#paintLines(context, accent);
      for (const point of neighbours) ring(point, 2, accent, 1.6);
      ring(selected, 5, accent, 3);
    }
    if (this.#hovered >= 0) ring(this.#hovered, 3, ink, 2);
  }

  /** From the image that is looked at to its neighbours. */
  #paintLines(context: CanvasRenderingContext2D, color: string): void {
    const { selected, neighbours } = this.#marks;
    const from = this.#view.placeOf(selected);
    context.globalAlpha = 0.45;
    context.strokeStyle = color;
    context.lineWidth = 1;
    for (const point of neighbours) {
      if (!this.#isShown(point)) continue;
      const to = this.#view.placeOf(point);
      context.beginPath();
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  /** Around a point, or its picture. */
  #ring(context: CanvasRenderingContext2D, mark: Mark): void {
    const { point, picture, radius, color, thick } = mark;
    context.beginPath();
    if (picture === undefined) {
      const { x, y } = this.#view.placeOf(point);
      context.arc(x, y, radius, 0, 2 * Math.PI);
    } else {
      const { left, top, width, height } = picture;
      context.rect(left - 2, top - 2, width + 4, height + 4);
    }
    context.strokeStyle = getComputedStyle(this.element).getPropertyValue('--panel');
    context.lineWidth = thick + 2;
    context.stroke();
    context.strokeStyle = color;
    context.lineWidth = thick;
    context.stroke();
  }

  #clear(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
    const context = canvas.getContext('2d')!;
    const { width, height } = this.#view;
    const ratio = canvas.width / width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingQuality = 'medium';
    return context;
  }
}

interface Mark {
  readonly point: number;
  readonly picture: DrawnPicture | undefined;
  /** Where it has no picture. */
  readonly radius: number;
  readonly color: string;
  readonly thick: number;
}

function layer(name: string): HTMLCanvasElement {
  return el('canvas', { class: name, 'aria-hidden': 'true' });
}

/** Smaller the more there are, and larger again in a closer view. */
function pointSize(count: number, zoomed: number): number {
  const base = Math.max(2.2, 6 / Math.sqrt(Math.max(1, Math.sqrt(count / 1000))));
  return Math.min(12, base * Math.min(2, zoomed ** 0.25));
}
