import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawImage } from '../../src/demo/draw-images.ts';
import { readParquetRows, readRejections, readRunJson } from './read-table.ts';
import { type CliResult, runCli, tempFolder } from './run-cli.ts';

/** The super-user reads files that nobody may read. */
const isRoot = process.getuid?.() === 0;

let dir: string;
let remove: () => Promise<void>;
let run: CliResult;

beforeAll(async () => {
  ({ dir, remove } = await tempFolder());
  await mkdir(join(dir, 'in', 'bad'), { recursive: true });
  await writeBadFiles(join(dir, 'in', 'bad'));
  run = await runCli(
    dir,
    'in',
    '--mode',
    'pixels',
    '--out',
    'out',
    '--k',
    '2',
    '--max-pixels',
    '1',
  );
});
afterAll(() => remove());

/** One file of each kind that users have; see EXPECTED for what becomes of them. */
async function writeBadFiles(folder: string): Promise<void> {
  const { data, width, height } = drawImage('circle', { seed: 1, minSize: 40, maxSize: 40 });
  const image = () => sharp(data, { raw: { width, height, channels: 3 } });
  const jpeg = await image().jpeg().toBuffer();
  const png = await image().png().toBuffer();
  const twoFrames = Buffer.concat([data, data.map((x: number) => 255 - x)]);
  const animated = { width, height: 2 * height, channels: 3, pageHeight: height } as const;
  const grey = { create: { width: 1200, height: 1200, channels: 3, background: '#888' } } as const;

  const files: Record<string, Buffer | string> = {
    'good.jpg': jpeg,
    'upper-case.JPG': jpeg,
    'empty.jpg': '',
    'truncated.jpg': jpeg.subarray(0, jpeg.length / 2),
    'truncated.png': png.subarray(0, png.length / 2),
    'text.jpg': 'this is not an image',
    'png-named.jpg': png,
    'sixteen-bit.png': await image().toColourspace('rgb16').png().toBuffer(),
    'cmyk.jpg': await image().toColourspace('cmyk').jpeg().toBuffer(),
    'palette.png': await image().png({ palette: true }).toBuffer(),
    'grey.png': await image().greyscale().png().toBuffer(),
    'animated.gif': await sharp(twoFrames, { raw: animated }).gif().toBuffer(),
    'animated.webp': await sharp(twoFrames, { raw: animated }).webp().toBuffer(),
    'oversized.png': await sharp(grey).png().toBuffer(),
    'unreadable.jpg': jpeg,
    'comma, "quote" and ünïcode.jpg': jpeg,
    'notes.txt': 'not an image by its name',
  };
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  await chmod(join(folder, 'unreadable.jpg'), 0);
  await mkdir(join(folder, 'folder.jpg'));
  await symlink('nowhere.jpg', join(folder, 'broken-link.jpg'));
  await symlink('good.jpg', join(folder, 'link.jpg'));
  await writeFile(Buffer.from(`${folder}/latin1-\xff.jpg`, 'latin1'), jpeg);
}

const EXPECTED: Record<string, string> = {
  'in/bad/good.jpg': 'row',
  'in/bad/upper-case.JPG': 'row',
  'in/bad/empty.jpg': 'empty_file',
  'in/bad/truncated.jpg': 'truncated',
  'in/bad/truncated.png': 'truncated',
  'in/bad/text.jpg': 'not_an_image',
  'in/bad/png-named.jpg': 'row',
  'in/bad/sixteen-bit.png': 'row',
  'in/bad/cmyk.jpg': 'row',
  'in/bad/palette.png': 'row',
  'in/bad/grey.png': 'row',
  'in/bad/animated.gif': 'row',
  'in/bad/animated.webp': 'row',
  'in/bad/oversized.png': 'too_many_pixels',
  'in/bad/unreadable.jpg': isRoot ? 'row' : 'unreadable',
  'in/bad/comma, "quote" and ünïcode.jpg': 'row',
  'in/bad/folder.jpg': 'not_a_file',
  'in/bad/broken-link.jpg': 'broken_link',
  'in/bad/link.jpg': 'row',
  'in/bad/latin1-\\xff.jpg': 'name_not_utf8',
};

test('each bad file ends as one row or one rejection with its reason', () => {
  const out = join(dir, 'out');
  const ends = [
    ...readParquetRows(out).map((row) => [row.origin, 'row']),
    ...readRejections(out).map(({ origin, reason }) => [origin, reason]),
  ];
  expect(ends).toHaveLength(Object.keys(EXPECTED).length);
  expect(Object.fromEntries(ends)).toEqual(EXPECTED);
});

test('the exit status and the counts say so', () => {
  expect(run.status).toBe(1);
  const ends = Object.values(EXPECTED);
  const extracted = ends.filter((end) => end === 'row').length;
  expect(readRunJson(join(dir, 'out'))).toMatchObject({
    counts: { discovered: ends.length, extracted, rejected: ends.length - extracted, ignored: 1 },
  });
});

test('a mislabelled, a linked and an oddly named file give the vector of the good one', () => {
  const rows = readParquetRows(join(dir, 'out'));
  const vectorOf = (name: string) =>
    rows.find((row) => row.origin === `in/bad/${name}`)?.vectors as number[];
  expect(vectorOf('upper-case.JPG')).toEqual(vectorOf('good.jpg'));
  expect(vectorOf('link.jpg')).toEqual(vectorOf('good.jpg'));
  expect(vectorOf('comma, "quote" and ünïcode.jpg')).toEqual(vectorOf('good.jpg'));
  // PNG keeps what JPEG changes a little.
  const distance = vectorOf('png-named.jpg').map((x, i) => Math.abs(x - vectorOf('good.jpg')[i]!));
  expect(Math.max(...distance)).toBeLessThan(16);
});
