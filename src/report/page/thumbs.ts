import type { PageThumbs } from '../page-data.ts';
import { el } from './dom.ts';
import { bytesOf } from './points.ts';

/** Small pictures of points. */
export interface Thumbs {
  readonly has: (point: number) => boolean;
  /** A picture, or an empty frame; `side` in CSS pixels. Decorative: its name is beside it. */
  readonly picture: (point: number, side: number) => HTMLElement;
}

export function openThumbs(thumbs: PageThumbs): Thumbs {
  const slots = new Map<number, number>();
  new Int32Array(bytesOf(thumbs.points)).forEach((point, slot) => {
    slots.set(point, slot);
  });
  const paint = thumbs.kind === 'pixels' ? pixelPainter(thumbs) : sheetPainter(thumbs);
  return {
    has: (point) => slots.has(point),
    picture(point, side) {
      const slot = slots.get(point);
      if (slot === undefined) {
        const frame = el('span', { class: 'thumb none', title: 'No picture of this image' });
        frame.style.width = frame.style.height = `${side}px`;
        return frame;
      }
      const canvas = el('canvas', { class: 'thumb', 'aria-hidden': 'true' });
      canvas.width = canvas.height = thumbs.side;
      canvas.style.width = canvas.style.height = `${side}px`;
      canvas.dataset.point = String(point);
      paint(canvas.getContext('2d')!, slot);
      return canvas;
    },
  };
}

type Paint = (context: CanvasRenderingContext2D, slot: number) => void;

function pixelPainter({ side, data }: PageThumbs): Paint {
  const pixels = new Uint8Array(bytesOf(data[0]));
  return (context, slot) => {
    const image = context.createImageData(side, side);
    for (let p = 0, from = slot * side * side * 3; p < side * side; p++, from += 3) {
      image.data[4 * p] = pixels[from];
      image.data[4 * p + 1] = pixels[from + 1];
      image.data[4 * p + 2] = pixels[from + 2];
      image.data[4 * p + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  };
}

/** Sheets are decoded when a picture of theirs is first shown. */
function sheetPainter({ side, perRow, data }: PageThumbs): Paint {
  const sheets = new Map<number, Promise<ImageBitmap>>();
  return (context, slot) => {
    const index = Math.floor(slot / perRow ** 2);
    let sheet = sheets.get(index);
    if (sheet === undefined) {
      sheet = createImageBitmap(new Blob([bytesOf(data[index])], { type: 'image/webp' }));
      sheets.set(index, sheet);
    }
    const inSheet = slot % perRow ** 2;
    const x = (inSheet % perRow) * side;
    const y = Math.floor(inSheet / perRow) * side;
    void sheet.then((image) => context.drawImage(image, x, y, side, side, 0, 0, side, side));
  };
}
