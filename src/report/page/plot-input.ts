/** What a plot does for pointers, wheel and keys. Places are in CSS pixels of the plot. */
export interface PlotControls {
  pan(dx: number, dy: number): void;
  /** Around a place, or the middle. */
  zoom(factor: number, x?: number, y?: number): void;
  /** Shows all points. */
  reset(): void;
  /** The point nearest to a place, or -1 where none is within about `radius`. */
  pointAt(x: number, y: number, radius: number): number;
  setHovered(point: number, x: number, y: number): void;
  /** -1: none. */
  select(point: number): void;
}

const HIT_PX = 14;

/** Drag, pinch, tap, wheel and keys. */
export function listenToPlot(canvas: HTMLCanvasElement, controls: PlotControls): void {
  listenToPointers(canvas, controls);
  listenToWheel(canvas, controls);
  canvas.addEventListener('dblclick', controls.reset);
  canvas.addEventListener('keydown', (event) => {
    const move = keyMoves(controls)[event.key];
    if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move();
  });
}

interface Place {
  readonly x: number;
  readonly y: number;
}

function placeIn(canvas: HTMLCanvasElement, event: MouseEvent): Place {
  const box = canvas.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function listenToPointers(canvas: HTMLCanvasElement, controls: PlotControls): void {
  const { pointAt, setHovered, select } = controls;
  const pointers = new Map<number, Place>();
  let moved = 0;
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, placeIn(canvas, event));
    moved = 0;
  });
  canvas.addEventListener('pointermove', (event) => {
    const now = placeIn(canvas, event);
    const before = pointers.get(event.pointerId);
    if (before === undefined) {
      if (event.pointerType === 'mouse') setHovered(pointAt(now.x, now.y, HIT_PX), now.x, now.y);
      return;
    }
    moved += Math.hypot(now.x - before.x, now.y - before.y);
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    pointers.set(event.pointerId, now);
    drag(controls, { before, now, other, moved, isMouse: event.pointerType === 'mouse' });
  });
  const release = (event: PointerEvent): void => {
    if (!pointers.delete(event.pointerId) || event.type === 'pointercancel') return;
    if (moved > 8 || pointers.size > 0) return;
    const { x, y } = placeIn(canvas, event);
    const found = pointAt(x, y, event.pointerType === 'mouse' ? HIT_PX : 24);
    select(found);
    if (event.pointerType !== 'mouse') setHovered(found, x, y);
  };
  canvas.addEventListener('pointerup', release);
  canvas.addEventListener('pointercancel', release);
  canvas.addEventListener('pointerleave', (event) => {
    if (event.pointerType === 'mouse') setHovered(-1, 0, 0);
  });
}

interface Drag {
  readonly before: Place;
  readonly now: Place;
  /** A second finger. */
  readonly other: Place | undefined;
  /** Pixels since the pointer went down: a few are no drag. */
  readonly moved: number;
  readonly isMouse: boolean;
}

function drag({ pan, zoom, setHovered }: PlotControls, move: Drag): void {
  const { before, now, other, moved, isMouse } = move;
  const [dx, dy] = [now.x - before.x, now.y - before.y];
  if (other !== undefined) {
    const spread = Math.hypot(before.x - other.x, before.y - other.y);
    const factor = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, spread);
    pan(dx / 2, dy / 2);
    zoom(factor, (now.x + other.x) / 2, (now.y + other.y) / 2);
  } else if (isMouse && moved > 3) {
    setHovered(-1, 0, 0);
    pan(dx, dy);
  } else if (!isMouse && moved > 8) pan(dx, 0);
}

/** The wheel scrolls the page until the map is in use. */
function listenToWheel(canvas: HTMLCanvasElement, { zoom }: PlotControls): void {
  canvas.addEventListener(
    'wheel',
    (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const { x, y } = placeIn(canvas, event);
      zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0016)), x, y);
    },
    { passive: false },
  );
}

function keyMoves({ pan, zoom, reset, select }: PlotControls): Record<string, () => void> {
  const step = 40;
  return {
    ArrowLeft: () => pan(step, 0),
    ArrowRight: () => pan(-step, 0),
    ArrowUp: () => pan(0, step),
    ArrowDown: () => pan(0, -step),
    '+': () => zoom(1.25),
    '=': () => zoom(1.25),
    '-': () => zoom(0.8),
    '0': reset,
    Escape: () => select(-1),
  };
}
