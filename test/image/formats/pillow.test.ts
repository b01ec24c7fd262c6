import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { decodeAndResize } from '../../../src/image/decode-and-resize.ts';
import type { DecodeOptions } from '../../../src/image/decoded-chunk.ts';
import { decodeImage } from '../../../src/image/formats/decode.ts';
import { Resizer } from '../../../src/image/resize/resize.ts';
import { ViewMaker } from '../../../src/image/views/make-views.ts';
import { parseAugmentation } from '../../../src/options/augmentation.ts';

/** What test/fixtures/make-image-fixtures.py writes. */
interface Fixtures {
  readonly files: readonly {
    readonly name: string;
    readonly file: string;
    readonly exif: 'ignore' | 'apply';
    readonly size?: readonly [number, number];
    readonly rgb?: string;
    /** Pillow gives no picture. */
    readonly fails?: true;
    readonly resized?: readonly {
      readonly filter: DecodeOptions['resize'];
      readonly side: number;
      readonly sha256: string;
      /** Of one channel, by convert("L"). */
      readonly gray: string;
    }[];
  }[];
  readonly resizes: readonly {
    readonly size: readonly [number, number];
    readonly out: readonly [number, number];
    readonly filter: DecodeOptions['resize'];
    readonly sha256: string;
  }[];
  readonly views: readonly {
    readonly size: readonly [number, number];
    readonly out: readonly [number, number];
    readonly filter: DecodeOptions['resize'];
    readonly augment: string;
    readonly seed: number;
    readonly origin: string;
    /** SHA-256 of views 0, 1, … */
    readonly rows: readonly string[];
  }[];
}

const { files, resizes, views }: Fixtures = JSON.parse(
  readFileSync(new URL('../../fixtures/formats.json', import.meta.url), 'utf8'),
);

/** Files that Pillow reads and that are refused here, as the table in docs/parity.md says. */
const REFUSED: Readonly<Record<string, string>> = {
  'TIFF, palette of 8-bit values': 'unsupported_color',
  'TIFF, surplus tiles': 'corrupt',
  'TIFF, surplus strips': 'corrupt',
  'TIFF, planes of tiles': 'unsupported_format',
};

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test.each(files)('$name', async ({ name, file, exif, size, rgb, fails, resized = [] }) => {
  const bytes = Buffer.from(file, 'base64');
  const options = { exif, maxPixels: 1e6, tiff: true };
  const decoding = decodeImage(bytes, options);
  if (fails || REFUSED[name] !== undefined) {
    await expect(decoding).rejects.toMatchObject({
      name: 'DecodeError',
      reason: REFUSED[name] ?? expect.stringMatching(/^(truncated|unsupported_(format|color))$/),
    });
    return;
  }
  const { data, width, height } = await decoding;
  expect([width, height, Buffer.from(data).toString('base64')]).toEqual([...size!, rgb]);
  for (const { filter, side, sha256: expected, gray } of resized) {
    const how = { ...options, width: side, height: side, resize: filter, channels: 'rgb' } as const;
    expect(sha256(await decodeAndResize(bytes, how)), `${filter} to ${side}`).toBe(expected);
    const row = await decodeAndResize(bytes, { ...how, channels: 'gray' });
    for (const channel of [0, 1, 2]) {
      const values = row.filter((_, i) => i % 3 === channel);
      expect(sha256(values), `gray, ${filter} to ${side}`).toBe(gray);
    }
  }
});

test.each(resizes)('$size to $out, $filter', ({ size: [width, height], out, filter, ...twin }) => {
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 251);
  const resizer = new Resizer(out[0], out[1], filter);
  const row = new Uint8Array(resizer.outputBytes);
  resizer.resize(rgb, width, height, row, 0);
  expect(sha256(row)).toBe(twin.sha256);
});

test.each(views)("torchvision's $augment of $size by seed $seed", (twin) => {
  const { size, out, filter, augment, seed, origin, rows } = twin;
  const [width, height] = size;
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) =>
    Math.floor((i * i * i + 31 * i) / 8),
  );
  const resizer = new Resizer(out[0], out[1], filter);
  const views = { count: rows.length, seed, augment: parseAugmentation(augment) };
  const pixels = new Uint8Array(rows.length * resizer.outputBytes);
  resizer.resize(data, width, height, pixels, 0);
  new ViewMaker(views, resizer, out[0]).write({ data, width, height }, origin, pixels, 0);
  const rowOf = (view: number) =>
    pixels.subarray(view * resizer.outputBytes, (view + 1) * resizer.outputBytes);
  expect(rows.map((_, view) => sha256(rowOf(view)))).toEqual(rows);
});
