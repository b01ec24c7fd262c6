import type { Augmentation } from '../../options/augmentation.ts';
import type { ViewOptions } from '../decoded-chunk.ts';
import type { Resizer } from '../resize/resize.ts';
import type { RgbImage } from '../rgb-image.ts';
import { jitterColors } from './color-jitter.ts';
import { RandomNumbers } from './random-numbers.ts';

/** Larger crops get a buffer of their own, so that one of them does not stay in memory. */
const KEPT_BYTES = 16 << 20;

/**
 * Views of images as torchvision's RandomResizedCrop, RandomHorizontalFlip and ColorJitter make them of PIL images, in that
 * order: crop, resize, flip, colours. What is drawn depends on the seed, the image's origin, the view and the step alone.
 */
export class ViewMaker {
  readonly #views: ViewOptions;
  readonly #resizer: Resizer;
  readonly #width: number;
  #crop = new Uint8Array(0);

  /** @param width of what the resizer makes */
  constructor(views: ViewOptions, resizer: Resizer, width: number) {
    this.#views = views;
    this.#resizer = resizer;
    this.#width = width;
  }

  /**
   * Writes views 1, 2, … of an image behind its view 0, which is at `offset` of `out`.
   * @param image whole, as decoded
   */
  write(image: RgbImage, origin: string, out: Uint8Array, offset: number): void {
    const { count, seed, augment } = this.#views;
    const { outputBytes } = this.#resizer;
    for (let view = 1; view < count; view++) {
      const at = offset + view * outputBytes;
      const random = (step: string) => new RandomNumbers(seed, origin, view, step);
      if (augment.crop === undefined) out.copyWithin(at, offset, offset + outputBytes);
      else this.#resizeBox(image, cropBox(image, augment.crop, random('crop')), out, at);
      const row = out.subarray(at, at + outputBytes);
      if (augment.flip !== undefined && random('flip').next() < augment.flip) {
        flipRows(row, this.#width);
      }
      if (augment.color !== undefined) jitterColors(row, augment.color, random('color'));
    }
  }

  #resizeBox({ data, width }: RgbImage, box: Box, out: Uint8Array, offset: number): void {
    const rowBytes = box.width * 3;
    const bytes = rowBytes * box.height;
    const crop = bytes <= this.#crop.length ? this.#crop : new Uint8Array(bytes);
    if (bytes <= KEPT_BYTES) this.#crop = crop;
    for (let y = 0; y < box.height; y++) {
      const from = ((box.top + y) * width + box.left) * 3;
      crop.set(data.subarray(from, from + rowBytes), y * rowBytes);
    }
    this.#resizer.resize(crop, box.width, box.height, out, offset);
  }
}

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const TRIES = 10;

/** RandomResizedCrop.get_params: a box of random area and shape; after ten that do not fit, one in the middle. */
export function cropBox(
  { width, height }: Pick<RgbImage, 'width' | 'height'>,
  { scale, ratio }: NonNullable<Augmentation['crop']>,
  random: RandomNumbers,
): Box {
  const [least, most] = ratio;
  for (let i = 0; i < TRIES; i++) {
    const area = width * height * random.between(...scale);
    const shape = Math.exp(random.between(Math.log(least), Math.log(most)));
    const w = roundHalfEven(Math.sqrt(area * shape));
    const h = roundHalfEven(Math.sqrt(area / shape));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const top = random.below(height - h + 1);
    return { top, left: random.below(width - w + 1), width: w, height: h };
  }
  const shape = width / height;
  const h = shape < least ? roundHalfEven(width / least) : height;
  const w = shape > most ? roundHalfEven(height * most) : width;
  return { top: (height - h) >> 1, left: (width - w) >> 1, width: w, height: h };
}

/** Python's round. */
function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}

/** Mirrors uint8 [height, width, 3], left to right, in place. */
function flipRows(pixels: Uint8Array, width: number): void {
  for (let row = 0; row < pixels.length; row += 3 * width) {
    for (let a = row, b = row + 3 * (width - 1); a < b; a += 3, b -= 3) {
      for (let c = 0; c < 3; c++) {
        const left = pixels[a + c];
        pixels[a + c] = pixels[b + c];
        pixels[b + c] = left;
      }
    }
  }
}
