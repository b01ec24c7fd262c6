import * as twgl from 'twgl.js';
import type { Rgb } from './palette.ts';

/** From data to CSS pixels of the canvas: x * scaleX + left, y * scaleY + top. */
export interface View {
  readonly scaleX: number;
  readonly left: number;
  readonly scaleY: number;
  readonly top: number;
}

/** Draws all points on a canvas. */
export interface PointDrawer {
  readonly kind: 'webgl' | 'canvas';
  readonly canvas: HTMLCanvasElement;
  setPositions(xs: Float32Array, ys: Float32Array): void;
  /** @param shown whether points of each class are drawn, and how strongly, 0 to 1 */
  setClasses(strength: Float32Array): void;
  draw(view: View, size: number): void;
}

export interface DrawnPoints {
  readonly targets: Uint32Array;
  readonly colors: readonly Rgb[];
}

/** WebGL where the browser has it and it works, else a 2D canvas. @param open makes a canvas: one that has had a context takes no other */
export function openDrawer(open: () => HTMLCanvasElement, points: DrawnPoints): PointDrawer {
  const canvas = open();
  const options = { antialias: false, alpha: true, premultipliedAlpha: true } as const;
  const gl = canvas.getContext('webgl', options) as WebGLRenderingContext | null;
  if (gl === null) return canvasDrawer(canvas, points);
  const program = twgl.createProgramInfo(gl, [VERTEX, FRAGMENT], () => {});
  if (program === null) return canvasDrawer(open(), points);
  return webglDrawer(canvas, gl, program, points);
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
  { targets, colors }: DrawnPoints,
): PointDrawer {
  const n = targets.length;
  const order = shuffled(n);
  const buffers = twgl.createBufferInfoFromArrays(gl, {
    x: { numComponents: 1, data: new Float32Array(n), drawType: gl.STATIC_DRAW },
    y: { numComponents: 1, data: new Float32Array(n), drawType: gl.STATIC_DRAW },
    color: {
      numComponents: 4,
      data: new Uint8Array(4 * n),
      drawType: gl.STATIC_DRAW,
      normalize: true,
    },
  });
  const upload = (name: string, data: Float32Array | Uint8Array) =>
    twgl.setAttribInfoBufferFromArray(gl, buffers.attribs![name], data);
  return {
    kind: 'webgl',
    canvas,
    setPositions(xs, ys) {
      upload(
        'x',
        Float32Array.from(order, (i) => xs[i]),
      );
      upload(
        'y',
        Float32Array.from(order, (i) => ys[i]),
      );
    },
    setClasses(strength) {
      const data = new Uint8Array(4 * n);
      order.forEach((point, i) => {
        data.set(colors[targets[point]], 4 * i);
        data[4 * i + 3] = Math.round(255 * strength[targets[point]]);
      });
      upload('color', data);
    },
    draw({ scaleX, left, scaleY, top }, size) {
      const ratio = canvas.width / Math.max(1, canvas.clientWidth);
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
        size: size * ratio,
      });
      twgl.drawBufferInfo(gl, buffers, gl.POINTS, n);
    },
  };
}

function canvasDrawer(canvas: HTMLCanvasElement, { targets, colors }: DrawnPoints): PointDrawer {
  const context = canvas.getContext('2d')!;
  const order = shuffled(targets.length);
  const inks = colors.map(([r, g, b]) => `rgb(${r} ${g} ${b})`);
  let [xs, ys] = [new Float32Array(0), new Float32Array(0)];
  let strength: Float32Array = new Float32Array(colors.length).fill(1);
  return {
    kind: 'canvas',
    canvas,
    setPositions(newXs, newYs) {
      [xs, ys] = [new Float32Array(newXs), new Float32Array(newYs)];
    },
    setClasses(given) {
      strength = given;
    },
    draw({ scaleX, left, scaleY, top }, size) {
      const ratio = canvas.width / Math.max(1, canvas.clientWidth);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
      for (const point of order) {
        const target = targets[point];
        if (strength[target] === 0) continue;
        context.globalAlpha = strength[target];
        context.fillStyle = inks[target];
        context.fillRect(
          xs[point] * scaleX + left - size / 2,
          ys[point] * scaleY + top - size / 2,
          size,
          size,
        );
      }
      context.globalAlpha = 1;
    },
  };
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

/** Room around the points for the axes' labels. */
export const PADDING = { left: 44, right: 12, top: 12, bottom: 26 };

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
