import type { PageThumbs } from '../page-data.ts';
import { el } from './dom.ts';
import { bytesOf } from './points.ts';

/** Small pictures of points. */
export interface Thumbs {
  /** Points that have one, the most useful first. */
  readonly points: Int32Array;
  /** A picture, or an empty frame; `side` in CSS pixels. Decorative: its name is beside it. */
  readonly picture: (point: number, side: number) => HTMLElement;
  /** Width and height of a point's picture as shares of the longer side. */
  readonly shapeOf: (point: number) => readonly [number, number];
  /** Draws a point's picture into a box; false while its sheet is not decoded yet. */
  readonly draw: (
    context: CanvasRenderingContext2D,
    point: number,
    box: readonly [x: number, y: number, width: number, height: number],
  ) => boolean;
  /** Called each time when a sheet can be drawn. */
  onReady: () => void;
}

export function openThumbs(given: PageThumbs): Thumbs {
  const points = new Int32Array(bytesOf(given.points));
  const shapes = new Uint8Array(bytesOf(given.shapes));
  const slots = new Map<number, number>();
  points.forEach((point, slot) => {
    slots.set(point, slot);
  });
  const thumbs: Thumbs = { points, picture, shapeOf, draw, onReady: () => {} };
  const sheets =
    given.kind === 'pixels'
      ? pixelSheets(given, points.length)
      : jpegSheets(given, () => thumbs.onReady());
  const { side } = given;
  return thumbs;

  function shapeOf(point: number): readonly [number, number] {
    const slot = slots.get(point)!;
    return [shapes[2 * slot] / 255, shapes[2 * slot + 1] / 255];
  }

  function draw(
    context: CanvasRenderingContext2D,
    point: number,
    [x, y, width, height]: readonly [number, number, number, number],
  ): boolean {
    const slot = slots.get(point)!;
    const perSheet = sheets.perRow ** 2;
    const image = sheets.get(Math.floor(slot / perSheet));
    if (image === undefined) return false;
    const inSheet = slot % perSheet;
    const [row, column] = [Math.floor(inSheet / sheets.perRow), inSheet % sheets.perRow];
    context.drawImage(image, column * side, row * side, side, side, x, y, width, height);
    return true;
  }

  function picture(point: number, size: number): HTMLElement {
    if (!slots.has(point)) {
      const frame = el('span', { class: 'thumb none', title: 'No picture of this image' });
      frame.style.setProperty('--side', `${size}px`);
      return frame;
    }
    const canvas = el('canvas', { class: 'thumb', 'aria-hidden': 'true' });
    const [width, height] = shapeOf(point).map((share) => Math.max(1, Math.round(share * side)));
    [canvas.width, canvas.height] = [width, height];
    canvas.style.setProperty('--side', `${size}px`);
    canvas.dataset.point = String(point);
    const context = canvas.getContext('2d')!;
    const paint = () => draw(context, point, [0, 0, width, height]);
    if (!paint()) {
      const slot = slots.get(point)!;
      void sheets.whenReady(Math.floor(slot / sheets.perRow ** 2)).then(paint);
    }
    return canvas;
  }
}

type Image = ImageBitmap | HTMLCanvasElement;

interface Sheets {
  readonly perRow: number;
  /** A sheet, or undefined while it is decoded. */
  readonly get: (index: number) => Image | undefined;
  readonly whenReady: (index: number) => Promise<unknown>;
}

/** The pixels of all pictures as one sheet. */
function pixelSheets({ side, data }: PageThumbs, count: number): Sheets {
  const perRow = Math.max(1, Math.ceil(Math.sqrt(count)));
  const sheet = el('canvas');
  sheet.width = perRow * side;
  sheet.height = Math.max(1, Math.ceil(count / perRow)) * side;
  const context = sheet.getContext('2d')!;
  const image = context.createImageData(sheet.width, sheet.height);
  const pixels = new Uint8Array(bytesOf(data[0]));
  for (let from = 0, p = 0; from < pixels.length; from += 3, p++) {
    const [slot, inside] = [Math.floor(p / side ** 2), p % side ** 2];
    const x = (slot % perRow) * side + (inside % side);
    const y = Math.floor(slot / perRow) * side + Math.floor(inside / side);
    const to = 4 * (y * sheet.width + x);
    image.data[to] = pixels[from];
    image.data[to + 1] = pixels[from + 1];
    image.data[to + 2] = pixels[from + 2];
    image.data[to + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return { perRow, get: () => sheet, whenReady: async () => {} };
}

/** Sheets are decoded when a picture of theirs is first shown. */
function jpegSheets({ perRow, data }: PageThumbs, onReady: () => void): Sheets {
  const ready: (ImageBitmap | undefined)[] = [];
  const opened: Promise<void>[] = [];
  const whenReady = (index: number): Promise<void> => {
    opened[index] ??= createImageBitmap(
      new Blob([bytesOf(data[index])], { type: 'image/jpeg' }),
    ).then((image) => {
      ready[index] = image;
      onReady();
    });
    return opened[index];
  };
  return {
    perRow,
    whenReady,
    get(index) {
      void whenReady(index);
      return ready[index];
    },
  };
}
