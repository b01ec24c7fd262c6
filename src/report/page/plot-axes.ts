import type { View } from './draw-points.ts';

/** Room around the points for the axes' labels. */
export const PADDING = { left: 44, right: 12, top: 12, bottom: 26 };

export interface AxesFrame {
  readonly view: View;
  readonly width: number;
  readonly height: number;
  readonly ink: string;
  readonly line: string;
}

/** Left and bottom axis, with a number at each round step. */
export function paintAxes(context: CanvasRenderingContext2D, frame: AxesFrame): void {
  const { view, width, height, ink, line } = frame;
  context.font = '11px system-ui, sans-serif';
  context.fillStyle = ink;
  context.strokeStyle = line;
  context.lineWidth = 1;
  const left = PADDING.left - 8;
  const bottom = height - PADDING.bottom + 4;
  context.beginPath();
  context.moveTo(left + 0.5, 4);
  context.lineTo(left + 0.5, bottom + 0.5);
  context.lineTo(width - 4, bottom + 0.5);
  context.stroke();
  context.textAlign = 'center';
  context.textBaseline = 'top';
  for (const { value, text } of ticks(
    (left - view.left) / view.scaleX,
    (width - view.left) / view.scaleX,
    width / 90,
  )) {
    const x = value * view.scaleX + view.left;
    if (x < left + 12 || x > width - 16) continue;
    context.fillText(text, x, bottom + 6);
    context.fillRect(Math.round(x), bottom, 1, 4);
  }
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  for (const { value, text } of ticks(
    (bottom - view.top) / view.scaleY,
    -view.top / view.scaleY,
    height / 60,
  )) {
    const y = value * view.scaleY + view.top;
    if (y < 12 || y > bottom - 8) continue;
    context.fillText(text, left - 6, y);
    context.fillRect(left - 3, Math.round(y), 4, 1);
  }
}

function ticks(from: number, to: number, most: number): { value: number; text: string }[] {
  const raw = (to - from) / Math.max(1, most);
  if (!Number.isFinite(raw) || raw <= 0) return [];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw)!;
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const found: { value: number; text: string }[] = [];
  for (let i = Math.ceil(from / step); i * step <= to; i++) {
    found.push({
      value: i * step,
      text: (i * step).toFixed(Math.min(6, digits)).replace('-', '−'),
    });
  }
  return found;
}
