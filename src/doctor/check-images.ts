import { createHash } from 'node:crypto';
import { isImg2FeaturesError } from '../errors.ts';
import { ChunkDecoder } from '../image/decode-and-resize.ts';
import { loadSharp } from '../image/formats/decode-with-sharp.ts';
import { type Check, type Finding, makeCheck } from './check.ts';
import { GOLDEN } from './golden/golden-data.ts';
import { goldenImage } from './golden/golden-files.ts';

/** The decoders: sharp loads, opens no format that nobody asked for, and gives Pillow's pixels. */
export async function checkImages(): Promise<Check> {
  try {
    await loadSharp(); // throws where libvips still opens SVG or GIF
  } catch (error) {
    const known = isImg2FeaturesError(error);
    const message = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    return makeCheck('images', {
      summary: 'sharp does not work here',
      findings: [
        {
          severity: 'problem',
          message,
          fix: (known && error.fix) || 'Install the dependencies again on this machine: npm ci.',
        },
      ],
      facts: { works: false },
    });
  }
  const { default: sharp } = await import('sharp');
  const wrong = await wrongFormats();
  const findings = wrong.map(
    (format): Finding => ({
      severity: 'problem',
      message: `The built-in ${format.toUpperCase()} gives other pixels than Pillow's.`,
      fix: 'Install the locked dependencies again (npm ci); tables made by this install would differ.',
    }),
  );
  const { vips, sharp: version } = sharp.versions as Record<string, string>;
  return makeCheck('images', {
    summary: `sharp ${version}, libvips ${vips}: reads JPEG, PNG and WebP, and no other format`,
    details: wrong.length > 0 ? [] : ["a built-in JPEG and PNG give Pillow's pixels, bit for bit"],
    findings,
    facts: {
      works: true,
      sharp: version ?? null,
      libvips: vips ?? null,
      openLoaders: ['jpeg', 'png', 'webp'],
      closedToOthers: true,
      pixelsEqualPillow: wrong.length === 0,
    },
  });
}

async function wrongFormats(): Promise<('png' | 'jpeg')[]> {
  const decoder = new ChunkDecoder({
    width: GOLDEN.side,
    height: GOLDEN.side,
    resize: 'bicubic',
    exif: 'ignore',
    channels: 'rgb',
    maxPixels: 1e6,
    tiff: false,
  });
  const wrong: ('png' | 'jpeg')[] = [];
  for (const format of ['png', 'jpeg'] as const) {
    const { pixels } = await decoder.decode([{ index: 0, bytes: goldenImage(format) }]);
    const sha256 = createHash('sha256').update(pixels).digest('hex');
    if (sha256 !== GOLDEN.pixelsSha256[format]) wrong.push(format);
  }
  return wrong;
}
