/**
 * Draws the project's own pictures: shapes in many colours, sizes and places, one folder a shape.
 * The pixels follow from the seed alone, on every machine: only + - * / and square roots are used,
 * which IEEE 754 defines to the last bit (sine and cosine it does not).
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';

/** Signed distance to a shape's edge, negative inside; the shape fills about the unit circle. */
const SHAPES: Record<string, (u: number, v: number) => number> = {
  circle: (u, v) => length(u, v) - 0.95,
  cross: (u, v) =>
    Math.min(
      Math.max(Math.abs(u) - 1, Math.abs(v) - 0.3),
      Math.max(Math.abs(u) - 0.3, Math.abs(v) - 1),
    ),
  ring: (u, v) => Math.abs(length(u, v) - 0.75) - 0.2,
  square: (u, v) => Math.max(Math.abs(u), Math.abs(v)) - 0.8,
  stripes: (u) => Math.abs(u - Math.floor(u) - 0.5) - 0.25,
  triangle: (u, v) => Math.max(v, Math.sqrt(0.75) * Math.abs(u) - 0.5 * v) - 0.5,
};

/** The classes, sorted: the names of the folders. */
export const CLASSES = Object.keys(SHAPES);

const FORMATS = ['jpg', 'png', 'webp'];

export interface Picture {
  /** RGB, [height, width, 3]. */
  readonly data: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** Sides in pixels, both inclusive. */
export interface PictureSize {
  readonly minSize: number;
  readonly maxSize: number;
}

/** Draws one picture. @param shape one of CLASSES */
export function drawImage(
  shape: string,
  { seed, minSize, maxSize }: PictureSize & { readonly seed: number },
): Picture {
  const distance = SHAPES[shape];
  const random = mulberry32(seed);
  const between = (low: number, high: number) => low + random() * (high - low);

  const width = Math.floor(between(minSize, maxSize + 1));
  const height = Math.floor(between(minSize, maxSize + 1));
  const radius = 0.5 * Math.min(width, height) * between(0.45, 0.9);
  const centreX = width * between(0.4, 0.6);
  const centreY = height * between(0.4, 0.6);
  // A turn by any angle without sine or cosine: t is the tangent of half of it.
  const t = between(-1, 1);
  const cos = (1 - t * t) / (1 + t * t);
  const sin = (2 * t) / (1 + t * t);
  const [ink, paper] = contrastingColours(random);
  const shade = between(-60, 60); // from the left edge to the right one
  const noise = between(0, 30);

  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const dx = (x - centreX) / radius;
      const dy = (y - centreY) / radius;
      const edge = distance(dx * cos + dy * sin, dy * cos - dx * sin) * radius;
      const cover = Math.min(1, Math.max(0, 0.5 - edge)); // antialiased over one pixel
      const light = shade * (x / width - 0.5) + noise * (random() - 0.5);
      for (let c = 0; c < 3; c++) {
        const value = paper[c] + (ink[c] - paper[c]) * cover + light;
        data[i++] = Math.min(255, Math.max(0, Math.round(value)));
      }
    }
  }
  return { data, width, height };
}

export interface DatasetOptions extends PictureSize {
  readonly seed: number;
  readonly imagesPerClass: number;
  /** Adds one JPEG that is cut in half. */
  readonly withBroken?: boolean;
}

/** Writes `<dir>/<class>/<class>-<n>.<jpg|png|webp>`, replacing the folder. */
export async function writeDataset(
  dir: string,
  { seed, imagesPerClass, minSize, maxSize, withBroken = false }: DatasetOptions,
): Promise<void> {
  await rm(dir, { recursive: true, force: true });
  for (const [k, shape] of CLASSES.entries()) {
    await mkdir(join(dir, shape), { recursive: true });
    for (let n = 0; n < imagesPerClass; n++) {
      const picture = drawImage(shape, { seed: (seed * 1000 + k) * 1000 + n, minSize, maxSize });
      const { data, width, height } = picture;
      const image = sharp(data, { raw: { width, height, channels: 3 } });
      const format = FORMATS[n % FORMATS.length];
      const name = `${shape}-${String(n).padStart(3, '0')}.${format}`;
      await writeFile(join(dir, shape, name), await encoded(image, format));
    }
  }
  if (withBroken) {
    const [shape] = CLASSES;
    const { data, width, height } = drawImage(shape, { seed, minSize, maxSize });
    const whole = await encoded(sharp(data, { raw: { width, height, channels: 3 } }), 'jpg');
    const half = whole.subarray(0, Math.floor(whole.length / 2));
    await writeFile(join(dir, shape, `${shape}-broken.jpg`), half);
  }
}

function encoded(image: Sharp, format: string): Promise<Buffer> {
  if (format === 'jpg') return image.jpeg({ quality: 92 }).toBuffer();
  if (format === 'png') return image.png().toBuffer();
  return image.webp({ quality: 92 }).toBuffer();
}

/** Two colours that differ enough to see ink on paper. */
function contrastingColours(random: () => number): [ink: number[], paper: number[]] {
  const draw = () => [random() * 255, random() * 255, random() * 255];
  const ink = draw();
  let paper = draw();
  while (
    Math.abs(ink[0] - paper[0]) + Math.abs(ink[1] - paper[1]) + Math.abs(ink[2] - paper[2]) <
    200
  ) {
    paper = draw();
  }
  return [ink, paper];
}

function length(u: number, v: number): number {
  return Math.sqrt(u * u + v * v);
}

/**
 * Tommy Ettinger's mulberry32: 32 bits of state, the same numbers everywhere.
 * @returns what gives the next number in [0, 1)
 */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  };
}
