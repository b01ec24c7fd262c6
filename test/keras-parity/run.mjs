// The full-size proof: real Keras 2 and 3 write VGG16, VGG19, ResNet50 and MobileNetV2 with seeded
// weights in four layouts; each file is converted, run, and compared with what Keras computed. --families does so with
// networks of every family of keras.applications, as whole models, with the preprocessing that the file itself tells:
// the engine that is chosen, the largest error, and images in a second of processor time here and in Keras.
//
//   npm run build
//   node test/keras-parity/run.mjs --python <python with tensorflow-cpu, tf_keras, keras> \
//     [--dir <folder with 4 GB free>] [--device cpu|wasm|cuda] [--only vgg16,resnet50] [--families]
//
// Not part of npm test: it needs Python, some minutes and 4 GB of disk. Prints a Markdown table.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { openEngine } from '../../dist/engine/open-engine.js';
import { readModelFolder } from '../../dist/model/read-model-folder.js';
import { readNpz } from '../../dist/reduce/npz.js';
import { chooseDevice } from '../../dist/runtime/choose-device.js';
import { locateRuntime } from '../../dist/runtime/locate-runtime.js';

const here = dirname(fileURLToPath(import.meta.url));
const run = promisify(execFile);

/** Keras 2 saves first: its files go before those of Keras 3 are written. */
const LAYOUTS = {
  keras2: ['keras2-weights.h5', 'keras2-model.h5'],
  keras3: ['keras', 'weights.h5'],
};

const NETWORKS = ['vgg16', 'vgg19', 'resnet50', 'mobilenetv2'];

/** `-imagenet`: the layers that `weights="imagenet"` builds, where those differ. */
// biome-ignore format: one line for each family
const FAMILIES = [
  'VGG16', 'VGG19',
  'ResNet50', 'ResNet50V2', 'ResNetRS50',
  'RegNetX002', 'RegNetY002',
  'DenseNet121',
  'InceptionV3', 'InceptionResNetV2', 'Xception',
  'MobileNet', 'MobileNetV2', 'MobileNetV3Small', 'MobileNetV3Large',
  'NASNetMobile',
  'EfficientNetB0', 'EfficientNetB0-imagenet', 'EfficientNetV2B0', 'EfficientNetV2S',
  'ConvNeXtTiny',
];

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    dir: { type: 'string', default: tmpdir() },
    device: { type: 'string', default: 'cpu' },
    only: { type: 'string' },
    families: { type: 'boolean', default: false },
  },
});
const names = options.only?.split(',') ?? (options.families ? FAMILIES : NETWORKS);
const device = /** @type {'auto' | 'cuda' | 'cpu' | 'wasm'} */ (options.device);
const choice = chooseDevice(device, await locateRuntime());
const work = await mkdtemp(join(options.dir, 'keras-parity-'));
let failed = 0;
try {
  if (options.families) await proveFamilies();
  else await proveLayouts();
} finally {
  await rm(work, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;

async function proveLayouts() {
  console.log('| network | file | MB | convert, s | peak RSS, MB | max error / max | min cosine |');
  console.log('| --- | --- | --- | --- | --- | --- | --- |');
  for (const name of names) {
    for (const generation of Object.keys(LAYOUTS)) await prove(name, generation);
  }
}

async function proveFamilies() {
  console.log('| network | Keras 2 | Keras 3 | images/s, here / Keras 2 / Keras 3 |');
  console.log('| --- | --- | --- | --- |');
  for (const name of names) {
    const two = await proveFamily(name, 'keras2', 'keras2-model.h5');
    const three = await proveFamily(name, 'keras3', 'keras');
    if (two === undefined && three === undefined) throw new Error(`No Keras has a ${name}.`);
    const rates = [two?.rate ?? three?.rate, two?.kerasRate, three?.kerasRate];
    const rateText = rates
      .map((rate) => (rate === undefined ? '–' : Number(rate).toFixed(1)))
      .join(' / ');
    console.log(`| ${[name, two?.text ?? '–', three?.text ?? '–', rateText].join(' | ')} |`);
  }
}

/** undefined where this Keras has no such network. */
async function proveFamily(name, generation, layout) {
  const env = { ...process.env, OMP_NUM_THREADS: '1' };
  await run(options.python, [join(here, 'write_full_size.py'), name, generation, work], { env });
  const file = join(work, `${name}.${layout}`);
  const path = join(work, `${name}.${generation}.npz`);
  if (!existsSync(path)) return undefined;
  const reference = readNpz(await readFile(path));
  const dir = join(work, 'model');
  try {
    await run(process.execPath, [join(here, 'convert-one.mjs'), file, dir]);
    const { error, cosine, engine, rate } = await compare(dir, reference);
    if (!(error <= 1e-4 && cosine >= 0.999999 && engine === 'graph')) failed++;
    const kerasRate = reference.get('rate')?.data[0];
    return { text: `${engine}, ${error.toExponential(1)}`, rate, kerasRate };
  } catch (cause) {
    failed++;
    const { stderr, message } = /** @type {{ stderr?: string, message: string }} */ (cause);
    return { text: (stderr ?? message).match(/Expected[^\n]*/)?.[0] ?? 'failed' };
  } finally {
    await rm(dir, { recursive: true, force: true });
    await rm(file);
  }
}

async function prove(name, generation) {
  await run(options.python, [join(here, 'write_full_size.py'), name, generation, work]);
  const reference = readNpz(await readFile(join(work, `${name}.${generation}.npz`)));
  for (const layout of LAYOUTS[generation]) {
    const file = join(work, `${name}.${layout}`);
    const dir = join(work, 'model');
    const arch = layout.includes('weights') ? [name] : [];
    const { stdout } = await run(process.execPath, [
      join(here, 'convert-one.mjs'),
      file,
      dir,
      ...arch,
    ]);
    const { seconds, maxRssMb } = JSON.parse(stdout);
    const { error, cosine } = await compare(dir, reference);
    if (!(error <= 1e-4 && cosine >= 0.999999)) failed++;
    const megabytes = (await stat(file)).size / 1e6;
    const cells = [name, layout, megabytes.toFixed(0), seconds.toFixed(1), maxRssMb.toFixed(0)];
    console.log(`| ${[...cells, error.toExponential(1), cosine.toFixed(9)].join(' | ')} |`);
    await rm(dir, { recursive: true, force: true });
    await rm(file);
  }
}

/** The worst layer of all. */
async function compare(dir, reference) {
  const folder = await readModelFolder(dir);
  const images = reference.get('images');
  const layers = [...reference.keys()].filter((layer) => !['images', 'rate'].includes(layer));
  /** @type {import('../../dist/engine/engine.js').EngineSpec} */
  const spec = {
    layers: layers.map((layer) => ({ layer, pool: 'none' })),
    precision: 'fp32',
  };
  const engine = await openEngine(spec, folder, choice);
  try {
    const outputs = await engine.run(Uint8Array.from(images.data), images.shape[0]);
    const rate = options.families ? await rateOf(engine, images) : undefined;
    const worst = { error: 0, cosine: 1, engine: engine.info.engine, rate };
    for (const [i, layer] of layers.entries()) {
      const { error, cosine } = agreement(outputs[i], reference.get(layer).data);
      worst.error = Math.max(worst.error, error);
      worst.cosine = Math.min(worst.cosine, cosine);
    }
    return worst;
  } finally {
    await engine.close();
  }
}

/** Images in a second of the engine's processor time, which other programs disturb less than a second of the clock. */
async function rateOf(engine, images) {
  const run = () => engine.run(Uint8Array.from(images.data), images.shape[0]);
  await run();
  const started = await processorSeconds(engine.pid);
  for (let done = images.shape[0]; ; done += images.shape[0]) {
    await run();
    const seconds = (await processorSeconds(engine.pid)) - started;
    if (seconds >= 2) return done / seconds;
  }
}

/** User and system time, which Linux counts in hundredths of a second. */
async function processorSeconds(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Largest |a − b| by max|b|, and the cosine. */
function agreement(a, b) {
  if (a.length !== b.length) return { error: Number.POSITIVE_INFINITY, cosine: 0 };
  let [largest, difference, ab, aa, bb] = [0, 0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(b[i]));
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return { error: difference / largest, cosine: ab / Math.sqrt(aa * bb) };
}
