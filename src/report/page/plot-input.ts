/** What a plot does for pointers, wheel and keys. Places are in CSS pixels of the plot. */
export interface PlotControls {
  pan(dx: number, dy: number): void;
  zoom(factor: number, x: number, y: number): void;
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
  const { pan, zoom, reset, pointAt, setHovered, select } = controls;
  const pointers = new Map<number, { x: number; y: number }>();
  let moved = 0;
  const at = (event: PointerEvent | MouseEvent) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    moved = 0;
  });
  canvas.addEventListener('pointermove', (event) => {
    const now = at(event);
    const before = pointers.get(event.pointerId);
    if (before === undefined) {
      if (event.pointerType === 'mouse') setHovered(pointAt(now.x, now.y, HIT_PX), now.x, now.y);
      return;
    }
    const [dx, dy] = [now.x - before.x, now.y - before.y];
    moved += Math.hypot(dx, dy);
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    pointers.set(event.pointerId, now);
    if (others.length > 0) {
      const other = others[0];
      const spread = Math.hypot(before.x - other.x, before.y - other.y);
      const factor = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, spread);
      pan(dx / 2, dy / 2);
      zoom(factor, (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else if (event.pointerType === 'mouse' && moved > 3) {
      setHovered(-1, 0, 0);
      pan(dx, dy);
    } else if (event.pointerType !== 'mouse' && moved > 8) pan(dx, 0);
  });
  const release = (event: PointerEvent): void => {
    if (!pointers.delete(event.pointerId) || event.type === 'pointercancel') return;
    if (moved > 8 || pointers.size > 0) return;
    const { x, y } = at(event);
    const found = pointAt(x, y, event.pointerType === 'mouse' ? HIT_PX : 24);
    select(found);
    if (event.pointerType !== 'mouse') setHovered(found, x, y);
  };
  canvas.addEventListener('pointerup', release);
  canvas.addEventListener('pointercancel', release);
  canvas.addEventListener('pointerleave', (event) => {
    if (event.pointerType === 'mouse') setHovered(-1, 0, 0);
  });
  // The wheel scrolls the page until the map is in use.
  canvas.addEventListener(
    'wheel',
    (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const { x, y } = at(event);
      zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0016)), x, y);
    },
    { passive: false },
  );
  canvas.addEventListener('dblclick', reset);
  canvas.addEventListener('keydown', (event) => {
    const step = 40;
    const zoomMiddle = (factor: number) =>
      zoom(factor, canvas.clientWidth / 2, canvas.clientHeight / 2);
    const moves: Record<string, () => void> = {
      ArrowLeft: () => pan(step, 0),
      ArrowRight: () => pan(-step, 0),
      ArrowUp: () => pan(0, step),
      ArrowDown: () => pan(0, -step),
      '+': () => zoomMiddle(1.25),
      '=': () => zoomMiddle(1.25),
      '-': () => zoomMiddle(0.8),
      '0': reset,
      Escape: () => select(-1),
    };
    const move = moves[event.key];
    if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move();
  });
}
