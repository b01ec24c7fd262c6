/** torchvision's ColorJitter on PIL images, to the same bytes: float is C's float, as in Pillow's Blend.c and Convert.c. */
import type { Augmentation } from '../../options/augmentation.ts';
import { luma } from '../rgb-image.ts';
import type { RandomNumbers } from './random-numbers.ts';

const float = Math.fround;

/** Changes brightness, contrast, saturation and hue of uint8 [n, 3], RGB, in a random order. */
export function jitterColors(
  pixels: Uint8Array,
  { brightness, contrast, saturation, hue }: NonNullable<Augmentation['color']>,
  random: RandomNumbers,
): void {
  const around = (strength: number) => random.between(Math.max(0, 1 - strength), 1 + strength);
  const factors = [around(brightness), around(contrast), around(saturation)];
  const shift = random.between(-hue, hue);
  const steps = [
    ...(brightness > 0 ? [() => adjustBrightness(pixels, factors[0])] : []),
    ...(contrast > 0 ? [() => adjustContrast(pixels, factors[1])] : []),
    ...(saturation > 0 ? [() => adjustSaturation(pixels, factors[2])] : []),
    ...(hue > 0 ? [() => adjustHue(pixels, shift)] : []),
  ];
  while (steps.length > 0) steps.splice(random.below(steps.length), 1)[0]();
}

/** ImageEnhance.Brightness: between black and the image, or beyond it. */
export function adjustBrightness(pixels: Uint8Array, factor: number): void {
  blendWith(0, pixels, factor);
}

/** ImageEnhance.Contrast: between its mean gray and the image. */
export function adjustContrast(pixels: Uint8Array, factor: number): void {
  let sum = 0;
  for (let i = 0; i < pixels.length; i += 3) sum += luma(pixels, i);
  blendWith(Math.floor(sum / (pixels.length / 3) + 0.5), pixels, factor);
}

/** ImageEnhance.Color: between the gray image and the image. */
export function adjustSaturation(pixels: Uint8Array, factor: number): void {
  const alpha = float(factor);
  for (let i = 0; i < pixels.length; i += 3) {
    const gray = luma(pixels, i);
    for (let c = i; c < i + 3; c++) pixels[c] = blend(gray, pixels[c], alpha);
  }
}

function blendWith(gray: number, pixels: Uint8Array, factor: number): void {
  const alpha = float(factor);
  const blended = Uint8Array.from({ length: 256 }, (_, value) => blend(gray, value, alpha));
  for (let i = 0; i < pixels.length; i++) pixels[i] = blended[pixels[i]];
}

/** Image.blend, of one byte. */
function blend(a: number, b: number, alpha: number): number {
  const value = float(a + float(alpha * (b - a)));
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
}

/** adjust_hue: to Pillow's HSV, its hue turned by `turn` (-0.5 to 0.5) of the circle, and back. */
export function adjustHue(pixels: Uint8Array, turn: number): void {
  const shift = Math.trunc(turn * 255);
  tables ??= makeTables();
  const { shares, saturations, darkest, sectors, rests } = tables;
  for (let i = 0; i < pixels.length; i += 3) {
    const r = pixels[i];
    const g = pixels[i + 1];
    const b = pixels[i + 2];
    const v = Math.max(r, g, b);
    const range = v - Math.min(r, g, b);
    // What is gray has no hue.
    if (range === 0) continue;
    const row = range << 8;
    const red = shares[row + v - r];
    const green = shares[row + v - g];
    const blue = shares[row + v - b];
    const sixths =
      r === v ? float(blue - green) : g === v ? float(2 + red - blue) : float(4 + green - red);
    const circle = sixths / 6 + 1;
    const h = (Math.trunc(float(circle < 1 ? circle : circle - 1) * 255) + shift) & 255;
    const s = saturations[row + v];
    const share = shares[(255 << 8) + s];
    const sector = sectors[h];
    const p = darkest[(s << 8) + v];
    // Of the two other channels' values one falls in odd sectors, and the other rises in even ones.
    const between =
      (sector & 1) === 1
        ? Math.round(v * (1 - float(share * rests[h])))
        : Math.round(v * (1 - share * (1 - rests[h])));
    const most = (sector + 1) >> 1; // 0 and 5: red, 1 and 2: green, 3 and 4: blue
    pixels[i] = most % 3 === 0 ? v : sector === 1 || sector === 4 ? between : p;
    pixels[i + 1] = most === 1 ? v : sector === 0 || sector === 3 ? between : p;
    pixels[i + 2] = most === 2 ? v : sector === 2 || sector === 5 ? between : p;
  }
}

interface HueTables {
  /** float32 [range, d]: d / range */
  readonly shares: Float32Array;
  /** uint8 [range, value]: Pillow's S */
  readonly saturations: Uint8Array;
  /** uint8 [S, value]: the smallest channel */
  readonly darkest: Uint8Array;
  /** Of each H: its sixth of the circle, and how far it is in it. */
  readonly sectors: Uint8Array;
  readonly rests: Float32Array;
}

let tables: HueTables | undefined;

/** Divisions and roundings of two bytes: with them colours take two thirds of the time. */
function makeTables(): HueTables {
  const all = Array.from({ length: 256 }, (_, i) => i);
  const ofTwo = (cell: (row: number, column: number) => number) =>
    all.flatMap((row) => all.map((column) => (row === 0 ? 0 : cell(row, column))));
  const sectors = all.map((h) => Math.floor((h * 6) / 255));
  return {
    shares: Float32Array.from(ofTwo((range, d) => d / range)),
    saturations: Uint8Array.from(
      ofTwo((range, v) => (v < range ? 0 : Math.trunc(float(range / v) * 255))),
    ),
    darkest: Uint8Array.from(ofTwo((s, v) => Math.round(v * (1 - float(s / 255))))),
    // H 255 is the end of the circle, which is its beginning.
    sectors: Uint8Array.from(sectors, (sector) => sector % 6),
    rests: Float32Array.from(all, (h) => (h * 6) / 255 - sectors[h]),
  };
}
