import * as twgl from 'twgl.js';
import type { Groups } from './groups.ts';
import { css } from './palette.ts';
import { PADDING, type View } from './plot-view.ts';

/** Draws all points on a canvas. */
export interface PointDrawer {
  readonly kind: 'webgl' | 'canvas';
  readonly canvas: HTMLCanvasElement;
  setPositions(xs: Float32Array, ys: Float32Array): void;
  /** @param strength how strongly the points of each group are drawn, 0 (not at all) to 1 */
  setGroups(groups: Groups, strength: Float32Array): void;
  draw(view: View, size: number): void;
}

/** WebGL where the browser has it and it works, else a 2D canvas. @param open makes a canvas: one that has had a context takes no other */
export function openDrawer(open: () => HTMLCanvasElement, count: number): PointDrawer {
  const canvas = open();
  const options = { antialias: false, alpha: true, premultipliedAlpha: true } as const;
  const gl = canvas.getContext('webgl', options) as WebGLRenderingContext | null;
  if (gl === null) return canvasDrawer(canvas, count);
  const program = twgl.createProgramInfo(gl, [VERTEX, FRAGMENT], () => {});
  if (program === null) return canvasDrawer(open(), count);
  return webglDrawer(canvas, gl, program, count);
}

const VERTEX = `
attribute float x, y;
attribute vec4 color;
uniform vec4 view;
uniform mediump float size;
varying vec4 ink;
void main() {
  gl_Position = vec4(x * view.x + view.y, y * view.z + view.w, 0.0, 1.0);
  gl_PointSize = color.a > 0.0 ? size : 0.0;
  if (color.a == 0.0) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  ink = color;
}`;
const FRAGMENT = `
precision mediump float;
varying vec4 ink;
uniform mediump float size;
void main() {
  float far = length(gl_PointCoord - 0.5) * size;
  float alpha = ink.a * clamp(size * 0.5 - far + 0.5, 0.0, 1.0);
  if (alpha <= 0.0) discard;
  gl_FragColor = vec4(ink.rgb * alpha, alpha);
}`;

function webglDrawer(
  canvas: HTMLCanvasElement,
  gl: WebGLRenderingContext,
  program: twgl.ProgramInfo,
  n: number,
): PointDrawer {
  let order = shuffled(n);
  let [xs, ys] = [new Float32Array(n), new Float32Array(n)];
  const buffers = twgl.createBufferInfoFromArrays(gl, {
    x: { numComponents: 1, data: xs, drawType: gl.STATIC_DRAW },
    y: { numComponents: 1, data: ys, drawType: gl.STATIC_DRAW },
    color: { numComponents: 4, data: new Uint8Array(4 * n), normalize: true },
  });
  const upload = (name: string, data: Float32Array | Uint8Array) =>
    twgl.setAttribInfoBufferFromArray(gl, buffers.attribs![name], data);
  const uploadPositions = (): void => {
    upload(
      'x',
      Float32Array.from(order, (i) => xs[i]),
    );
    upload(
      'y',
      Float32Array.from(order, (i) => ys[i]),
    );
  };
  let shown: Groups | undefined;
  return {
    kind: 'webgl',
    canvas,
    setPositions(newXs, newYs) {
      [xs, ys] = [new Float32Array(newXs), new Float32Array(newYs)];
      uploadPositions();
    },
    setGroups(groups, strength) {
      if (groups !== shown) {
        order = restFirst(shuffled(n), groups);
        uploadPositions();
      }
      shown = groups;
      upload('color', colorsOf(order, groups, strength));
    },
    draw(view, size) {
      drawPoints(canvas, gl, program, { buffers, n, view, size });
    },
  };
}

function colorsOf(order: Uint32Array, { of, colors }: Groups, strength: Float32Array): Uint8Array {
  const data = new Uint8Array(4 * order.length);
  order.forEach((point, i) => {
    data.set(colors[of[point]], 4 * i);
    data[4 * i + 3] = Math.round(255 * strength[of[point]]);
  });
  return data;
}

interface DrawnPoints {
  readonly buffers: twgl.BufferInfo;
  readonly n: number;
  readonly view: View;
  readonly size: number;
}

function drawPoints(
  canvas: HTMLCanvasElement,
  gl: WebGLRenderingContext,
  program: twgl.ProgramInfo,
  { buffers, n, view: { scaleX, left, scaleY, top }, size }: DrawnPoints,
): void {
  const [w, h] = [canvas.clientWidth, canvas.clientHeight];
  gl.viewport(0, 0, canvas.width, canvas.height);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.useProgram(program.program);
  twgl.setBuffersAndAttributes(gl, program, buffers);
  twgl.setUniforms(program, {
    view: [(2 * scaleX) / w, (2 * left) / w - 1, (-2 * scaleY) / h, 1 - (2 * top) / h],
    size: (size * canvas.width) / Math.max(1, w),
  });
  twgl.drawBufferInfo(gl, buffers, gl.POINTS, n);
}

function canvasDrawer(canvas: HTMLCanvasElement, n: number): PointDrawer {
  const context = canvas.getContext('2d')!;
  let order = shuffled(n);
  let [xs, ys] = [new Float32Array(0), new Float32Array(0)];
  let drawn: { readonly groups: Groups; readonly strength: Float32Array } | undefined;
  return {
    kind: 'canvas',
    canvas,
    setPositions(newXs, newYs) {
      [xs, ys] = [new Float32Array(newXs), new Float32Array(newYs)];
    },
    setGroups(groups, strength) {
      drawn = { groups, strength };
      order = restFirst(shuffled(n), groups);
    },
    draw({ scaleX, left, scaleY, top }, size) {
      const ratio = canvas.width / Math.max(1, canvas.clientWidth);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
      if (drawn === undefined) return;
      const { groups, strength } = drawn;
      const inks = groups.colors.map(css);
      for (const point of order) {
        const group = groups.of[point];
        if (strength[group] === 0) continue;
        context.globalAlpha = strength[group];
        context.fillStyle = inks[group];
        const [x, y] = [xs[point] * scaleX + left, ys[point] * scaleY + top];
        context.fillRect(x - size / 2, y - size / 2, size, size);
      }
      context.globalAlpha = 1;
    },
  };
}

/** What the colours are not about is drawn below the rest. */
function restFirst(order: Uint32Array, { of, rest }: Groups): Uint32Array {
  if (rest < 0) return order;
  const below = order.filter((point) => of[point] === rest);
  const above = order.filter((point) => of[point] !== rest);
  order.set(below);
  order.set(above, below.length);
  return order;
}

/** The same shuffle at each load: rows come class by class, and no class should cover all others. */
function shuffled(n: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  let state = 12345;
  for (let i = n - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

interface AxesFrame {
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
