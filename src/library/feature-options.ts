import { OptionError } from '../errors.ts';
import type { ExtractOptions, Mode } from '../options/extract-options.ts';
import { MODEL_KEYS, OF_LISTS, STORE_KEYS } from '../options/option-keys.ts';
import { resolveOptions } from '../options/resolve-options.ts';
import { inheritedOptions } from '../pipeline/inherited-options.ts';

/** How images become vectors. What is left out has the default of the command's option of that name. */
export interface ModelOptions {
  /** One or more layers, e.g. "fc2" or "fc1,block5_pool:avg"; default: the model's last layer. */
  readonly layer?: string | undefined;
  /** Global pooling of a convolutional layer. Default: none. */
  readonly pool?: ExtractOptions['pool'] | undefined;
  /** By name or numbers, "scale=1/255,mean=0.5,std=0.25"; for a model folder that does not say it. */
  readonly preprocessing?: ExtractOptions['preprocessing'];
  /** `auto` (default) takes CUDA, else the CPU library, else WebAssembly; a device by name, or an error. */
  readonly device?: ExtractOptions['device'] | undefined;
  /** GPUs to use at once, one process each: numbers, or all. Default: one. */
  readonly gpus?: 'all' | readonly number[] | undefined;
  readonly enginesPerGpu?: 'auto' | number | undefined;
  /** One TensorFlow graph, or layer by layer. Default: auto. */
  readonly engine?: ExtractOptions['engine'] | undefined;
  /** Convolutions on the CPU: ours (`fused`, or those of 3×3 alone: `winograd`), or TensorFlow's. Default: auto. */
  readonly conv?: ExtractOptions['conv'] | undefined;
  /** Arithmetic of the convolutions. Default: fp32. */
  readonly precision?: ExtractOptions['precision'] | undefined;
  /** Images in a batch, 1 to 4096. Default: auto, by device. */
  readonly batch?: number | 'auto' | undefined;
  /** `l2` divides each vector by its length. Default: none. */
  readonly normalize?: ExtractOptions['normalize'] | undefined;
  /** Pillow's filter of that name, bit for bit. Default: bicubic. */
  readonly resize?: ExtractOptions['resize'] | undefined;
  /** `apply` turns images as their EXIF orientation says. Default: ignore, as Pillow and Keras do. */
  readonly exif?: ExtractOptions['exif'] | undefined;
  /** Images above so many megapixels are rejected before they are decoded. Default: 50. */
  readonly maxPixels?: number | undefined;
  /** Images whose decoding takes longer than so many seconds are rejected. Default: 30. */
  readonly imageTimeout?: number | undefined;
  /** Also decode TIFF. Default: false. */
  readonly tiff?: boolean | undefined;
  /** Threads that decode and resize. Default: the number of CPU cores. */
  readonly workers?: number | undefined;
}

/** What to read, and how its images become vectors. */
export interface FeatureOptions extends ModelOptions {
  /** Folder, archives (.tar, .zip), Parquet files of images, list of paths, one image, or s3://bucket/prefix. */
  readonly input: string;
  /** `pixels` (10×10 RGB), `vgg16`, or `cnn` (any model folder). */
  readonly mode: Mode;
  /** Model folder; default for vgg16: models/vgg16. */
  readonly model?: string | undefined;
  /** The `out` of a finished run whose scaler and PCA are applied: `…_redux` columns. Default: none. */
  readonly with?: string | undefined;
  /** Files to read: extensions, or any. Default: those of images. */
  readonly extensions?: 'any' | readonly string[] | undefined;
  /** Names or paths to skip, beside those that always are. */
  readonly exclude?: string | readonly string[] | undefined;
  /** A list with the labels of the images, joined by path, name or stem. */
  readonly labels?: string | undefined;
  /** Column of a list that holds the paths. Default: path, file, filename, file_name, image or origin. */
  readonly pathColumn?: string | undefined;
  /** Column of a list that holds the classes. Default: target, label or class. */
  readonly targetColumn?: string | undefined;
  /** Column of a list that becomes the column `split`. Default: split. */
  readonly splitColumn?: string | undefined;
  /** Further columns of a list to carry through. Default: none. */
  readonly keepColumns?: 'all' | string | readonly string[] | undefined;
  /** Only the first so many images, by origin. */
  readonly limit?: number | undefined;
  /** The `origin` column: path as given, relative to the input, or file:// URL. Default: path. */
  readonly origin?: ExtractOptions['origin'] | undefined;
  /** More rejected images than this, a count or a share such as "5%", are an error. Default: 100%. */
  readonly maxBad?: number | string | undefined;
  readonly s3Endpoint?: string | undefined;
  readonly s3Region?: string | undefined;
  readonly s3Profile?: string | undefined;
  readonly s3PathStyle?: boolean | undefined;
  readonly requesterPays?: boolean | undefined;
  /** Read public buckets without credentials. Default: false. */
  readonly s3Anonymous?: boolean | undefined;
  /** Seconds without a byte after which a request is tried again. Default: 15. */
  readonly s3Timeout?: number | undefined;
  /** Seconds to try one request again before it is an error. Default: 600. */
  readonly s3Patience?: number | undefined;
}

/** What `extractBatches` takes. */
export const FEATURE_KEYS = [
  ...(['input', 'mode', 'model', 'with', 'extensions', 'exclude', 'limit'] as const),
  ...(['origin', 'maxBad'] as const),
  ...OF_LISTS,
  ...MODEL_KEYS,
  ...STORE_KEYS,
] as const;

/** Nothing is written: the fields that name files have no effect. */
const NOWHERE = '-';

/**
 * Checks as the command line does; with `with` what defines the features comes from that run.
 * @throws OptionError; RunError when that run is not complete
 */
export async function resolveFeatureOptions(
  options: FeatureOptions,
  signal: AbortSignal,
): Promise<ExtractOptions> {
  expectKeys(options, FEATURE_KEYS, 'extractBatches');
  const inherited =
    options.with === undefined ? { k: 0 } : await inheritedOptions({ ...options }, signal);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return resolveOptions({ ...inherited, ...Object.fromEntries(given), out: NOWHERE });
}

/** The same for a model that takes its images one by one. @throws OptionError */
export function resolveModelOptions(model: string, options: ModelOptions): ExtractOptions {
  expectKeys(options, MODEL_KEYS, 'openModel');
  return resolveOptions({ ...options, mode: 'cnn', model, input: NOWHERE, out: NOWHERE, k: 0 });
}

/** Options that write or fit (`out`, `k`) have no effect here, so they are refused. */
function expectKeys(given: object, known: readonly string[], call: string): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new OptionError(`Expected an option of ${call} but received ${unknown}.`, {
    fix: `It takes ${known.join(', ')}.`,
  });
}
