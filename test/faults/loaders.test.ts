import { execFileSync } from 'node:child_process';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { loadSharp, unblockTiff } from '../../src/image/formats/decode-with-sharp.ts';

const red = { create: { width: 2, height: 2, channels: 3, background: '#f00' } } as const;
const text = (content: string) => Buffer.from(content, 'latin1');

/** Whole files that this build of libvips reads when nothing is blocked. */
async function readableFiles(): Promise<Record<string, Buffer>> {
  return {
    SVG: text('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'),
    'SVG in XML': text(
      '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>',
    ),
    AVIF: await sharp(red).avif().toBuffer(),
    GIF: await sharp(red).gif().toBuffer(),
    TIFF: await sharp(red).tiff().toBuffer(),
  };
}

/** What this build may not read at all; blocked all the same should another one be installed. */
const OTHERS: Record<string, Buffer> = {
  PDF: text('%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF'),
  'JPEG XL': text('\xff\x0a\0\0'),
  'JPEG 2000': text('\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 '),
  OpenEXR: text('v/1\x01\x02\0\0\0channels\0'),
  'Radiance HDR': text('#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\x01\x01\x01\x01'),
  FITS: text('SIMPLE  =                    T'.padEnd(2880)),
  PostScript: text('%!PS-Adobe-3.0\n'),
  PPM: text('P6 1 1 255 abc'),
  ICO: text('\0\0\x01\0\x01\0'),
};

async function verdict(bytes: Buffer): Promise<string> {
  const open = await loadSharp();
  const decode = open(bytes, { failOn: 'none' }).raw().toBuffer();
  return decode.then(
    () => 'a row',
    (error: Error) => error.message,
  );
}

test('the files are readable where nothing is blocked, so that the next test means something', async () => {
  const script = `
    const sharp = require('sharp');
    const decode = (bytes) => sharp(Buffer.from(bytes, 'base64')).raw().toBuffer();
    Promise.all(JSON.parse(process.argv[1]).map(decode)).then((all) => console.log(all.length));
  `;
  const files = Object.values(await readableFiles()).map((bytes) => bytes.toString('base64'));
  const said = execFileSync(process.execPath, ['-e', script, JSON.stringify(files)]);
  expect(said.toString().trim()).toBe('5');
});

test('every loader of libvips but those of JPEG, PNG and WebP is closed', async () => {
  for (const [name, bytes] of Object.entries({ ...(await readableFiles()), ...OTHERS })) {
    expect(await verdict(bytes), name).toBe('Input buffer contains unsupported image format');
  }
});

test('JPEG, PNG and WebP are open, and asking for TIFF opens TIFF alone', async () => {
  for (const format of ['jpeg', 'png', 'webp'] as const) {
    expect(await verdict(await sharp(red).toFormat(format).toBuffer()), format).toBe('a row');
  }
  await unblockTiff();
  const { TIFF, ...others } = await readableFiles();
  expect(await verdict(TIFF)).toBe('a row');
  for (const [name, bytes] of Object.entries(others)) {
    expect(await verdict(bytes), name).toBe('Input buffer contains unsupported image format');
  }
});

test('a libvips that is open for more than it should be is refused', () => {
  // The same code where blocking does nothing.
  const script = `
    const sharp = (await import('sharp')).default;
    sharp.block = () => {};
    const { loadSharp } = await import('./dist/image/formats/decode-with-sharp.js');
    console.log(await loadSharp().catch((error) => error.message));
  `;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script]);
  expect(said.toString().trim()).toBe(
    'Expected libvips to refuse SVG but found that it opened one as svg.',
  );
});
