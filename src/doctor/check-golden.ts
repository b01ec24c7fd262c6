import { createHash } from 'node:crypto';
import type { EngineKind } from '../engine/engine.ts';
import { openEngine } from '../engine/open-engine.ts';
import { isImg2FeaturesError } from '../errors.ts';
import { ChunkDecoder } from '../image/decode-and-resize.ts';
import { loadSharp } from '../image/formats/decode-with-sharp.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import { chooseDevice, type Device } from '../runtime/choose-device.ts';
import type { FoundRuntimes } from '../runtime/locate-runtime.ts';
import { type Check, type Finding, makeCheck, problemOf } from './check.ts';
import { canHave } from './check-tensorflow.ts';
import { GOLDEN } from './golden/golden-data.ts';
import {
  GOLDEN_LAYERS,
  goldenImage,
  goldenPixels,
  goldenValues,
  withGoldenModel,
} from './golden/golden-files.ts';

/** What docs/parity.md promises of every network; these few layers differ a hundred times less. */
const TOLERANCE = 1e-4;

export interface EngineAnswer {
  readonly device: Device;
  readonly engine: EngineKind;
  readonly library?: string;
  /** Largest difference to Keras, as a share of the layer's largest value; the worst layer's. */
  readonly error?: number;
  readonly failure?: Finding;
}

/**
 * Runs a small network of every usual kind of layer on a built-in picture, on each engine that this
 * machine has, and compares with the numbers that Keras gave.
 */
export async function checkGolden(
  found: FoundRuntimes,
  requested: 'auto' | Device,
  signal: AbortSignal,
): Promise<Check> {
  const answers = await withGoldenModel(async (folder) => {
    const all: EngineAnswer[] = [];
    for (const [device, engine] of enginesOf(found, requested)) {
      all.push(await ask(folder, found, device, engine, signal));
    }
    return all;
  });
  const good = answers.filter(isGood);
  return makeCheck('golden', {
    summary:
      answers.length === 0
        ? `not compared: there is no ${requested} here`
        : `${good.length} of ${answers.length} engines give Keras' numbers for a built-in network and picture`,
    details: answers.map(
      (answer) =>
        `${answer.device} ${answer.engine}: ` +
        (answer.error === undefined
          ? 'no answer'
          : `differs by ${answer.error.toExponential(1)} of the maximum (allowed ${TOLERANCE})`),
    ),
    findings: answers.map(findingOf),
    facts: {
      madeBy: GOLDEN.madeBy,
      tolerance: TOLERANCE,
      engines: answers.map((answer) => ({
        device: answer.device,
        engine: answer.engine,
        library: answer.library ?? null,
        error: answer.error ?? null,
        equal: isGood(answer),
        failure: answer.failure?.message ?? null,
      })),
    },
  });
}

function enginesOf(
  found: FoundRuntimes,
  requested: 'auto' | Device,
): (readonly [Device, EngineKind])[] {
  const devices = (['cuda', 'cpu', 'wasm'] as const).filter(
    (device) => (requested === 'auto' || device === requested) && canHave(device, found),
  );
  return devices.flatMap((device): (readonly [Device, EngineKind])[] =>
    device === 'wasm'
      ? [[device, 'eager']]
      : [
          [device, 'graph'],
          [device, 'eager'],
        ],
  );
}

async function ask(
  folder: ModelFolder,
  found: FoundRuntimes,
  device: Device,
  kind: EngineKind,
  signal: AbortSignal,
): Promise<EngineAnswer> {
  const spec = {
    layers: GOLDEN_LAYERS.map((layer) => ({ layer, pool: 'none' as const })),
    precision: 'fp32' as const,
    engine: kind,
  };
  try {
    const engine = await openEngine(spec, folder, chooseDevice(device, found), { signal });
    try {
      const outputs = await engine.run(goldenPixels(), 1);
      const errors = GOLDEN_LAYERS.map((layer, i) =>
        relativeError(outputs[i], goldenValues(layer)),
      );
      const { library } = engine.info;
      return { device, engine: kind, library, error: Math.max(...errors) };
    } finally {
      await engine.close();
    }
  } catch (error) {
    const failure = problemOf(error, 'Run `img2features setup --force`.', signal);
    return { device, engine: kind, failure };
  }
}

/** NaN counts as infinitely wrong. */
export function relativeError(found: Float32Array, expected: Float32Array): number {
  let largest = 0;
  let worst = found.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    const difference = Math.abs(found[i] - expected[i]);
    worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  }
  return worst / largest;
}

function isGood({ error }: EngineAnswer): boolean {
  return error !== undefined && error <= TOLERANCE;
}

function findingOf(answer: EngineAnswer): Finding | undefined {
  const { device, engine, failure, error } = answer;
  if (failure !== undefined || isGood(answer)) return failure;
  const others = device === 'wasm' ? '--device cpu' : '--device wasm';
  return {
    severity: 'problem',
    message: `The ${engine} engine on ${device} gives other numbers than Keras (by ${error!.toExponential(1)} of the maximum).`,
    fix: `Do not use its features. Run \`img2features setup --force\`, or use ${others}; please report it with this output.`,
  };
}

/** The decoders: sharp loads, opens no format that nobody asked for, and gives Pillow's pixels. */
export async function checkImages(): Promise<Check> {
  try {
    await loadSharp(); // throws where libvips still opens SVG or GIF
  } catch (error) {
    const again = 'Install the dependencies again on this machine: npm ci.';
    const fix = (isImg2FeaturesError(error) && error.fix) || again;
    const message = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    return makeCheck('images', {
      summary: 'sharp does not work here',
      findings: [{ severity: 'problem', message, fix }],
      facts: { works: false },
    });
  }
  const { default: sharp } = await import('sharp');
  const wrong = await wrongFormats();
  const { vips, sharp: version } = sharp.versions as Record<string, string>;
  return makeCheck('images', {
    summary: `sharp ${version}, libvips ${vips}: reads JPEG, PNG and WebP, and no other format`,
    details: wrong.length > 0 ? [] : ["a built-in JPEG and PNG give Pillow's pixels, bit for bit"],
    findings: wrong.map((format) => ({
      severity: 'problem',
      message: `The built-in ${format.toUpperCase()} gives other pixels than Pillow's.`,
      fix: 'Install the locked dependencies again (npm ci); tables made by this install would differ.',
    })),
    facts: {
      works: true,
      sharp: version,
      libvips: vips,
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
