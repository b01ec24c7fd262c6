import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DecodeError } from '../../src/image/decode-error.ts';
import type { DecodeOptions } from '../../src/image/decoded-chunk.ts';
import { decodeImage } from '../../src/image/formats/decode.ts';
import type { DecodePool as Pool } from '../../src/image/pool/decode-pool.ts';
import { loadScript } from '../scripts/load-script.ts';
import { isLong, mutate, seededRandom } from './long-form.ts';

const { hostileImages } = await loadScript('../test/fixtures/make-hostile-images.mjs');
const built = new URL('../../dist/image/pool/decode-pool.js', import.meta.url).href;
const { DecodePool } = (await import(built)) as { DecodePool: typeof Pool };

/** Of each format; three formats. */
const PER_FORMAT = isLong ? 800 : 50;
const FORMATS = ['jpeg', 'png', 'webp'] as const;
/** Two judges may differ by this share of JPEGs only: see the test. */
const GARBLED_SHARE = 0.02;
/** Pillow where a Python with it is named, else libvips, which decodes all but small JPEGs anyway. */
const python = process.env.PYTHON_WITH_PILLOW;

const pixelOptions = { exif: 'ignore', maxPixels: 1e6, tiff: false } as const;
const options: DecodeOptions = {
  ...pixelOptions,
  width: 10,
  height: 10,
  resize: 'bicubic',
  channels: 'rgb',
};

interface Mutant {
  readonly name: string;
  readonly format: (typeof FORMATS)[number];
  readonly path: string;
  readonly bytes: Buffer;
}

let dir: string;
let mutants: Mutant[];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'img2features-mutants-'));
  mutants = [];
  for (const format of FORMATS) {
    const random = seededRandom(FORMATS.indexOf(format) + 1);
    for (let n = 0; n < PER_FORMAT; n++) {
      const drawn = drawImage(CLASSES[n % CLASSES.length], { seed: n, minSize: 16, maxSize: 60 });
      const raw = { width: drawn.width, height: drawn.height, channels: 3 } as const;
      const good = await sharp(drawn.data, { raw }).toFormat(format).toBuffer();
      const name = `${String(n).padStart(4, '0')}.${format}`;
      const mutant = { name, format, path: join(dir, name), bytes: mutate(good, random) };
      writeFileSync(mutant.path, mutant.bytes);
      mutants.push(mutant);
    }
  }
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** RGB pixels, or undefined for a refused file. */
type Verdict = Buffer | undefined;

async function ours({ bytes }: Mutant): Promise<Verdict> {
  try {
    return Buffer.from((await decodeImage(bytes, pixelOptions)).data);
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
    return undefined;
  }
}

async function libvips({ bytes }: Mutant): Promise<Verdict> {
  const judged = sharp(bytes, { failOn: 'warning', ignoreIcc: true });
  const rgb = judged.removeAlpha().toColourspace('srgb').raw();
  const read = rgb.toBuffer({ resolveWithObject: true }).catch(() => undefined);
  const found = await read;
  if (found === undefined) return undefined;
  if (found.info.channels === 3) return found.data;
  return Buffer.from([...found.data].flatMap((gray) => [gray, gray, gray]));
}

/** One line a file: base64 of its pixels, or nothing. */
const PILLOW = `
import base64, sys, warnings
from PIL import Image
warnings.simplefilter('ignore')
for line in sys.stdin:
    try:
        with Image.open(line.rstrip('\\n')) as image:
            print(base64.b64encode(image.convert('RGB').tobytes()).decode())
    except Exception:
        print()
`;

import { CLASSES, drawImage } from '../../src/demo/draw-images.ts';

async function judge(files: readonly Mutant[]): Promise<Verdict[]> {
  if (python === undefined) {
    const verdicts: Verdict[] = [];
    for (const mutant of files) verdicts.push(await libvips(mutant));
    return verdicts;
  }
  const input = files.map(({ path }) => path).join('\n');
  const said = execFileSync(python, ['-c', PILLOW], { input, maxBuffer: 2 ** 30 }).toString();
  const lines = said.split('\n').slice(0, files.length);
  return lines.map((line) => (line === '' ? undefined : Buffer.from(line, 'base64')));
}

test('rejections do not depend on the number of workers', async () => {
  const hostile: Record<string, { bytes: Buffer }> = await hostileImages();
  const files = [...Object.values(hostile), ...mutants].map(({ bytes }) => bytes);
  const { data, ...size } = drawImage(CLASSES[0], { seed: 1, minSize: 40, maxSize: 40 });
  const tiff = await sharp(data, { raw: { ...size, channels: 3 } })
    .tiff()
    .toBuffer();
  const random = seededRandom(9);
  for (let n = 0; n < PER_FORMAT; n++) files.push(mutate(tiff, random));
  const rejections = async (workers: number) => {
    const pool = new DecodePool({ ...options, tiff: true }, workers);
    const found: string[] = [];
    try {
      const chunks = files.map((bytes, index) => [{ index, bytes: Uint8Array.from(bytes) }]);
      for await (const chunk of pool.decode(chunks, new AbortController().signal)) {
        for (const rejection of chunk.rejections) found.push(JSON.stringify(rejection));
      }
    } finally {
      await pool.close();
    }
    return found;
  };
  const alone = await rejections(1);
  expect(alone.length).toBeGreaterThan(PER_FORMAT);
  for (let round = 0; round < (isLong ? 10 : 1); round++) {
    for (const workers of [2, 8]) expect(await rejections(workers)).toEqual(alone);
  }
}, 600_000);

test('every mutant ends as one row or one rejection, within seconds and without a crash', async () => {
  const pool = new DecodePool(options, 2, { imageTimeoutMs: 10_000 });
  try {
    const chunks = Array.from({ length: Math.ceil(mutants.length / 16) }, (_, i) =>
      mutants.slice(i * 16, (i + 1) * 16).map(({ path }, k) => ({ index: i * 16 + k, path })),
    );
    const seen: number[] = [];
    for await (const chunk of pool.decode(chunks, new AbortController().signal)) {
      seen.push(...chunk.indices, ...chunk.rejections.map(({ index }) => index));
      expect(chunk.rejections.filter(({ reason }) => reason === 'timeout')).toEqual([]);
    }
    expect(seen.sort((a, b) => a - b)).toEqual([...mutants.keys()]);
  } finally {
    await pool.close();
  }
});

test('no mutant gives a row that the judge does not also give', async () => {
  const verdicts = await judge(mutants);
  const refusedThere: string[] = [];
  const otherPixels: string[] = [];
  let rows = 0;
  for (const [i, mutant] of mutants.entries()) {
    const row = await ours(mutant);
    if (row === undefined) continue;
    rows++;
    const there = verdicts[i];
    if (there === undefined) refusedThere.push(mutant.name);
    else if (!there.equals(row)) otherPixels.push(mutant.name);
  }
  process.stderr.write(
    `${mutants.length} mutants, ${rows} rows; against ${python === undefined ? 'libvips' : 'Pillow'}: ` +
      `${refusedThere.length} rows refused there, ${otherPixels.length} rows with other pixels\n`,
  );
  expect(rows).toBeGreaterThan(PER_FORMAT / 4);
  expect(refusedThere).toEqual([]);
  // The stated limit: a JPEG whose damage still reads as valid codes is garbled, and not by every
  // decoder in the same way. No other format has it.
  expect(otherPixels.filter((name) => !name.endsWith('.jpeg'))).toEqual([]);
  expect(otherPixels.length).toBeLessThanOrEqual(Math.ceil(PER_FORMAT * GARBLED_SHARE));
});
