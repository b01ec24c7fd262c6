import { el } from './dom.ts';
import { type DrawnPoints, openDrawer, PADDING, paintAxes, type View } from './draw-plot.ts';
import { listenToPlot } from './plot-input.ts';
import type { Points } from './points.ts';
import { boundsOf, type PointGrid, pointGrid } from './points.ts';

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

export interface Plot {
  readonly element: HTMLElement;
  readonly kind: 'webgl' | 'canvas';
  setAxes(x: number, y: number): void;
  /** How strongly each class is drawn, 0 (hidden) to 1. */
  setStrength(strength: Float32Array): void;
  setMarks(marks: Marks): void;
  /** Moves the view so that a point is inside. */
  reveal(point: number): void;
  /** Where a point is, in CSS pixels of the plot. */
  placeOf(point: number): { readonly x: number; readonly y: number };
  reset(): void;
}

/** A scatter plot with pan, zoom, hover and selection; points on one canvas, marks and axes on another. */
export function openPlot(points: Points, drawn: DrawnPoints, events: PlotEvents): Plot {
  const drawer = openDrawer(
    () => el('canvas', { class: 'plot-points', 'aria-hidden': 'true' }),
    drawn,
  );
  const base = drawer.canvas;
  const over = el('canvas', {
    class: 'plot-marks',
    tabindex: 0,
    role: 'application',
    'aria-roledescription': 'scatter plot',
    'aria-label':
      'Map of the images. Arrow keys move, plus and minus zoom, 0 shows all. To reach an image by keyboard, use the search.',
  });
  const element = el('div', { class: 'plot' }, base, over);
  const context = over.getContext('2d')!;
  let xs = new Float32Array(points.count);
  let ys = new Float32Array(points.count);
  let bounds = boundsOf(xs, ys);
  let grid: PointGrid = pointGrid(xs, ys, bounds);
  let strength: Float32Array = new Float32Array(drawn.colors.length).fill(1);
  let marks: Marks = { selected: -1, neighbours: [], matches: [] };
  let hovered = -1;
  let view: View = { scaleX: 1, left: 0, scaleY: -1, top: 0 };
  let [width, height] = [0, 0];
  let isAsked = false;
  let needsPoints = true;

  const isShown = (point: number) => strength[drawn.targets[point]] > 0;
  const placeOf = (point: number) => ({
    x: xs[point] * view.scaleX + view.left,
    y: ys[point] * view.scaleY + view.top,
  });

  function showAll(): void {
    const w = Math.max(1, width - PADDING.left - PADDING.right);
    const h = Math.max(1, height - PADDING.top - PADDING.bottom);
    const room = 1.04;
    const scaleX = w / ((bounds.maxX - bounds.minX) * room);
    const scaleY = -h / ((bounds.maxY - bounds.minY) * room);
    view = {
      scaleX,
      left: PADDING.left + w / 2 - (scaleX * (bounds.minX + bounds.maxX)) / 2,
      scaleY,
      top: PADDING.top + h / 2 - (scaleY * (bounds.minY + bounds.maxY)) / 2,
    };
  }

  function pan(dx: number, dy: number): void {
    view = { ...view, left: view.left + dx, top: view.top + dy };
    ask();
  }

  function zoom(factor: number, x: number, y: number): void {
    const whole = (width - PADDING.left) / (bounds.maxX - bounds.minX);
    const next = Math.min(5000 * whole, Math.max(0.4 * whole, view.scaleX * factor));
    const by = next / view.scaleX;
    view = {
      scaleX: view.scaleX * by,
      left: x + (view.left - x) * by,
      scaleY: view.scaleY * by,
      top: y + (view.top - y) * by,
    };
    ask();
  }

  /** Draws with the next frame: all, or the marks alone, which cost little for any number of points. */
  function ask(isAll = true): void {
    needsPoints ||= isAll;
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      paint();
    });
  }

  function paint(): void {
    if (width === 0) return;
    const whole = (width - PADDING.left) / (bounds.maxX - bounds.minX);
    const size = pointSize(points.count, view.scaleX / whole);
    if (needsPoints) drawer.draw(view, size);
    needsPoints = false;
    paintMarks(size);
    element.dataset.painted = String(Number(element.dataset.painted ?? 0) + 1);
  }

  function paintMarks(size: number): void {
    const style = getComputedStyle(element);
    const [ink, faint, accent, paper] = ['--ink', '--ink-3', '--accent', '--panel'].map((name) =>
      style.getPropertyValue(name),
    ) as [string, string, string, string];
    const ratio = over.width / width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    paintAxes(context, { view, width, height, ink: faint, line: style.getPropertyValue('--line') });
    const ring = (point: number, radius: number, color: string, line: number): void => {
      if (!isShown(point)) return;
      const { x, y } = placeOf(point);
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.strokeStyle = paper;
      context.lineWidth = line + 2;
      context.stroke();
      context.strokeStyle = color;
      context.lineWidth = line;
      context.stroke();
    };
    for (const point of marks.matches.slice(0, 2000)) ring(point, size / 2 + 2.5, ink, 1.2);
    if (marks.selected >= 0) {
      const from = placeOf(marks.selected);
      context.globalAlpha = 0.45;
      context.strokeStyle = accent;
      context.lineWidth = 1;
      for (const point of marks.neighbours) {
        if (!isShown(point)) continue;
        const to = placeOf(point);
        context.beginPath();
        context.moveTo(from.x, from.y);
        context.lineTo(to.x, to.y);
        context.stroke();
      }
      context.globalAlpha = 1;
      for (const point of marks.neighbours) ring(point, size / 2 + 2, accent, 1.3);
      ring(marks.selected, size / 2 + 5, accent, 2.5);
    }
    if (hovered >= 0) ring(hovered, size / 2 + 3, ink, 2);
  }

  function pointAt(x: number, y: number, radius: number): number {
    if (!(view.scaleX > 0)) return -1;
    // Cells are in data units: the hit circle is an ellipse there, so both sides are tried and the pixel distance decides.
    const dataX = (x - view.left) / view.scaleX;
    const dataY = (y - view.top) / view.scaleY;
    const reach = Math.max(radius / view.scaleX, radius / -view.scaleY);
    const found = grid.nearest(dataX, dataY, reach, isShown);
    if (found < 0) return -1;
    const place = placeOf(found);
    return Math.hypot(place.x - x, place.y - y) <= radius * 1.5 ? found : -1;
  }

  function setHovered(point: number, x: number, y: number): void {
    if (point === hovered) {
      if (point >= 0) events.onHover(point, x, y);
      return;
    }
    hovered = point;
    events.onHover(point, x, y);
    ask(false);
  }

  const reset = (): void => {
    showAll();
    ask();
  };

  listenToPlot(over, { pan, zoom, reset, pointAt, setHovered, select: events.onSelect });
  new ResizeObserver(() => {
    const before = width;
    [width, height] = [element.clientWidth, element.clientHeight];
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    for (const canvas of [base, over]) {
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
    }
    if (before === 0 || before !== width) showAll();
    // Setting a size empties a canvas: it is filled before it can be seen.
    needsPoints = true;
    paint();
  }).observe(element);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => ask());

  return {
    element,
    kind: drawer.kind,
    setAxes(x, y) {
      xs = new Float32Array(points.count);
      ys = new Float32Array(points.count);
      for (let i = 0; i < points.count; i++) {
        xs[i] = points.values[i * points.k + x];
        ys[i] = points.values[i * points.k + y];
      }
      bounds = boundsOf(xs, ys);
      grid = pointGrid(xs, ys, bounds);
      drawer.setPositions(xs, ys);
      showAll();
      ask();
    },
    setStrength(given) {
      strength = given;
      drawer.setClasses(given);
      ask();
    },
    setMarks(given) {
      marks = given;
      ask(false);
    },
    reveal(point) {
      const { x, y } = placeOf(point);
      const isInside = x > PADDING.left && x < width - 8 && y > 8 && y < height - PADDING.bottom;
      if (!isInside) pan(width / 2 - x, height / 2 - y);
    },
    placeOf,
    reset,
  };
}

/** Smaller the more there are, and larger again in a closer view. */
function pointSize(count: number, zoomed: number): number {
  const base = Math.max(2.2, 6 / Math.sqrt(Math.max(1, Math.sqrt(count / 1000))));
  return Math.min(12, base * Math.min(2, zoomed ** 0.25));
}
