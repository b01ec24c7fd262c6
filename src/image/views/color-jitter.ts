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
  for (let i = 0; i < pixels.length; i += 3) {
    const r = pixels[i];
    const g = pixels[i + 1];
    const b = pixels[i + 2];
    const most = Math.max(r, g, b);
    const range = most - Math.min(r, g, b);
    // What is gray has no hue.
    if (range === 0) continue;
    const saturation = Math.trunc(float(range / most) * 255);
    const hue = (Math.trunc(hueOf(r, g, b, most, range) * 255) + shift) & 255;
    writeHsv(pixels, i, hue, saturation, most);
  }
}

/** Float in [0, 1). */
function hueOf(r: number, g: number, b: number, most: number, range: number): number {
  const red = float((most - r) / range);
  const green = float((most - g) / range);
  const blue = float((most - b) / range);
  const hue =
    r === most ? float(blue - green) : g === most ? float(2 + red - blue) : float(4 + green - red);
  return float((hue / 6 + 1) % 1);
}

function writeHsv(pixels: Uint8Array, at: number, h: number, s: number, v: number): void {
  const sector = Math.floor((h * 6) / 255);
  const rest = float((h * 6) / 255 - sector);
  const share = float(s / 255);
  const p = Math.round(v * (1 - share));
  const q = Math.round(v * (1 - float(share * rest)));
  const t = Math.round(v * (1 - share * (1 - rest)));
  // Red in each sixth of the circle; green and blue are the same a third and two thirds on.
  const ring = [v, q, p, p, t, v];
  pixels[at] = ring[sector % 6];
  pixels[at + 1] = ring[(sector + 4) % 6];
  pixels[at + 2] = ring[(sector + 2) % 6];
}
