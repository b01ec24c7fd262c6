import { availableParallelism } from 'node:os';
import { AUGMENT_EXAMPLE, augmentation } from './augmentation.ts';
import { EXCLUDED, IMAGE_EXTENSIONS } from './name-rule.ts';
import {
  autoOr,
  badLimit,
  columnNames,
  extensions,
  flag,
  gpuNumbers,
  httpUrl,
  integer,
  jobShard,
  oneOf,
  type Parser,
  patterns,
  positiveNumber,
  someOf,
  splitRule,
  text,
} from './option-values.ts';
import { PREPROCESSING_CHOICES, preprocessing } from './preprocessing.ts';

/** What --mode takes; it has no entry in the table, for it decides what the others mean. */
export const MODES = ['pixels', 'vgg16', 'cnn'] as const;
export const MODE_HELP = 'pixels (10×10 RGB), vgg16, or cnn (any model folder by --model)';
export type Mode = (typeof MODES)[number];

/** One option of `extract`: the only place that defines its type, unit, default and help text. */
export interface OptionDefinition {
  readonly parse: Parser<unknown>;
  /** Used when nothing is given, as a caller would give it; a function where it depends on the mode. */
  readonly default: Given | ((mode: Mode) => Given);
  readonly describe: string;
  readonly group: OptionGroup;
  readonly isFlag?: true;
  /** What --help shows as default where the value itself is not clear. */
  readonly defaultText?: string;
  /** Modes in which the option applies; undefined = all. */
  readonly modes?: readonly Mode[];
  /** What depends on it: the vectors, the scaler and PCA fitted on them, or only which images are accepted. */
  readonly definesFeatures?: 'vectors' | 'reducer' | 'accepted';
  /** A run's identity leaves the default out: runs from before there was the option are resumed, and give the same bytes. */
  readonly isNewer?: true;
}

type Given = string | number | boolean | readonly string[] | undefined;
export type OptionGroup = 'Features' | 'Images' | 'Output' | 'Store' | 'Machine' | 'Run';

/** What --format takes, in the order of the documentation; src/export/formats.ts has what each does. */
export const FORMAT_NAMES = ['parquet', 'json', 'csv', 'npy', 'feather'] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

const CNN_MODES = ['vgg16', 'cnn'] as const;

export const EXTRACT_OPTIONS = {
  k: {
    parse: integer(0, 4096),
    default: 10,
    describe: 'Principal components to keep; 0 = no PCA',
    group: 'Features',
    definesFeatures: 'reducer',
  },
  layer: {
    parse: text('one or more layer names, separated by commas'),
    default: undefined,
    defaultText: "the model's last layer",
    describe: 'Embedding layers, one column each: fc1 or fc1,fc2,block5_pool:avg',
    group: 'Features',
    definesFeatures: 'vectors',
    modes: CNN_MODES,
  },
  pool: {
    parse: oneOf('none', 'avg', 'max'),
    default: 'none',
    describe: 'Global pooling of a convolutional layer: none (flatten), avg or max',
    group: 'Features',
    definesFeatures: 'vectors',
    modes: CNN_MODES,
  },
  model: {
    parse: text('the path of a model folder'),
    default: undefined,
    defaultText: 'models/vgg16 for --mode vgg16',
    describe: 'Model folder (model.json and weight shards)',
    group: 'Features',
    definesFeatures: 'vectors',
    modes: CNN_MODES,
  },
  preprocessing: {
    parse: preprocessing,
    default: undefined,
    defaultText: 'what the model folder says',
    describe: `What is done to the pixels, where the model folder does not say it: ${PREPROCESSING_CHOICES}`,
    group: 'Features',
    definesFeatures: 'vectors',
    modes: CNN_MODES,
  },
  standardize: {
    parse: flag(),
    default: (mode) => mode === 'pixels',
    defaultText: 'on for pixels, off for vgg16 and cnn',
    describe: 'Scale each feature to mean 0 and sample standard deviation 1 before PCA',
    group: 'Features',
    definesFeatures: 'reducer',
    isFlag: true,
  },
  fitViews: {
    parse: oneOf('plain', 'all'),
    default: 'plain',
    describe: 'Fit scaler and PCA on the plain images, or on all views',
    group: 'Features',
  },
  normalize: {
    parse: oneOf('none', 'l2'),
    default: 'none',
    describe: 'l2: divide each vector by its length, so that a dot product is the cosine',
    group: 'Features',
    definesFeatures: 'vectors',
    isNewer: true,
  },
  seedCompat: {
    parse: flag(),
    default: false,
    describe: "Repeat the notebook's two quirks: BGR read as RGB, PCA of vectors not centred",
    group: 'Features',
    definesFeatures: 'vectors',
    isFlag: true,
  },
  with: {
    parse: text('the --out of a finished run'),
    default: undefined,
    defaultText: 'a new fit',
    describe: 'Scaler and PCA of a finished run in place of fitting (transform)',
    group: 'Features',
  },
  resize: {
    parse: oneOf('bicubic', 'bilinear', 'nearest'),
    default: 'bicubic',
    describe: "Pillow's filter of that name, bit for bit",
    group: 'Images',
    definesFeatures: 'vectors',
  },
  exif: {
    parse: oneOf('ignore', 'apply'),
    default: 'ignore',
    describe: 'Turn images as their EXIF orientation says; Pillow and Keras ignore it',
    group: 'Images',
    definesFeatures: 'vectors',
  },
  maxPixels: {
    parse: positiveNumber(),
    default: 50,
    describe: 'Reject images above this many megapixels before decoding them',
    group: 'Images',
    definesFeatures: 'accepted',
  },
  imageTimeout: {
    parse: positiveNumber(),
    default: 30,
    describe: 'Reject an image whose decoding takes longer than this many seconds',
    group: 'Images',
  },
  tiff: {
    parse: flag(),
    default: false,
    describe: 'Also decode TIFF',
    group: 'Images',
    definesFeatures: 'accepted',
    isFlag: true,
  },
  extensions: {
    parse: extensions(),
    default: IMAGE_EXTENSIONS,
    describe: 'Files to read below the input: extensions, none for names without one, or any',
    group: 'Images',
  },
  exclude: {
    parse: patterns(),
    default: [],
    defaultText: `${EXCLUDED.join(',')} always first`,
    describe: "Names or paths to skip: *_mask.png,raw/**; '!.NET' reads what is skipped",
    group: 'Images',
  },
  labels: {
    parse: text('the path of a list'),
    default: undefined,
    describe: 'List (CSV, TSV, JSON) with the labels of the images, joined by path, name or stem',
    group: 'Images',
  },
  pathColumn: {
    parse: text('the name of a column'),
    default: undefined,
    defaultText: 'path, file, filename, file_name, image or origin',
    describe: 'Column of a list, or of --labels, that holds the paths; of Parquet, the images',
    group: 'Images',
  },
  targetColumn: {
    parse: text('the name of a column'),
    default: undefined,
    defaultText: 'target, label or class',
    describe: 'Column of a list, of --labels or of Parquet, that holds the classes',
    group: 'Images',
  },
  splitColumn: {
    parse: text('the name of a column'),
    default: undefined,
    defaultText: 'split',
    describe: 'Column of a list, of --labels or of Parquet, that holds train, val, test, …',
    group: 'Images',
  },
  keepColumns: {
    parse: columnNames(),
    default: undefined,
    defaultText: 'none',
    describe: 'Further columns of a list or of Parquet to carry into the table: all, or names',
    group: 'Images',
  },
  split: {
    parse: splitRule(),
    default: undefined,
    defaultText: 'the column of a list',
    describe:
      'Column split: folders (train, test, val …) or shares such as 80/10/10, stratified, near copies on one side',
    group: 'Images',
  },
  seed: {
    parse: integer(0, 2 ** 32 - 1),
    default: 0,
    describe: 'Seed of --split 80/10/10 and of --views',
    group: 'Images',
  },
  views: {
    parse: integer(1, 100),
    default: 1,
    describe: 'Rows of each image: the whole image, then random views of it by --augment',
    group: 'Images',
  },
  augment: {
    parse: augmentation,
    default: 'crop,flip',
    describe: `How views are drawn, by torchvision's definitions: ${AUGMENT_EXAMPLE}`,
    group: 'Images',
  },
  limit: {
    parse: integer(1),
    default: undefined,
    defaultText: 'all',
    describe: 'Only the first so many images, by origin',
    group: 'Images',
  },
  format: {
    parse: someOf(...FORMAT_NAMES),
    default: 'parquet',
    describe: `Output formats: all, or some of ${FORMAT_NAMES.join(', ')}, separated by commas`,
    group: 'Output',
  },
  vectorType: {
    parse: oneOf('float32', 'float16'),
    default: 'float32',
    describe: 'Numbers of the vectors: float16 takes half the bytes and keeps 3 digits',
    group: 'Output',
    definesFeatures: 'vectors',
    isNewer: true,
  },
  reduxType: {
    parse: oneOf('float64', 'float32'),
    default: 'float64',
    describe: 'Numbers of the reduced vectors',
    group: 'Output',
    isNewer: true,
  },
  columns: {
    parse: text('column names, separated by commas'),
    default: undefined,
    defaultText: 'all',
    describe: 'Columns to write, in this order: origin,target,vectors,…',
    group: 'Output',
  },
  origin: {
    parse: oneOf('path', 'relative', 'url'),
    default: 'path',
    defaultText: 'path; url with --seed-compat',
    describe: 'origin column: path as given, relative to the input, or file:// URL',
    group: 'Output',
  },
  report: {
    parse: flag(),
    default: true,
    describe: 'Write report.html and findings.jsonl beside the table',
    group: 'Output',
    isFlag: true,
  },
  thumbnails: {
    parse: integer(0, 100_000),
    default: undefined,
    defaultText: '2000, for s3:// 200; at the end of a pixels run those of the table',
    describe: 'Images with a picture in report.html',
    group: 'Output',
  },
  quality: {
    parse: oneOf('auto', 'full', 'off'),
    default: 'auto',
    describe:
      'How well the features tell classes apart, in report.html and run.json: within 5% of the time, all, or not',
    group: 'Output',
  },
  overwrite: {
    parse: flag(),
    default: false,
    describe: 'Start again where --out holds another or a finished run',
    group: 'Output',
    isFlag: true,
  },
  update: {
    parse: flag(),
    default: false,
    describe: 'Bring the finished run in --out up to date: compute only added and changed images',
    group: 'Output',
    isFlag: true,
  },
  refit: {
    parse: flag(),
    default: false,
    describe: 'With --update: fit scaler and PCA again on all rows, in place of keeping them',
    group: 'Output',
    isFlag: true,
  },
  workDir: {
    parse: text('the path of a folder'),
    default: undefined,
    defaultText: 'in --out; for s3:// in the cache folder',
    describe: "Folder for the run's own state, which resuming needs; always on a disk",
    group: 'Output',
  },
  s3Endpoint: {
    parse: httpUrl(),
    default: undefined,
    defaultText: 'AWS, or AWS_ENDPOINT_URL_S3',
    describe: 'URL of an S3-compatible store',
    group: 'Store',
  },
  s3Region: {
    parse: text('the name of a region'),
    default: undefined,
    defaultText: 'AWS_REGION, the profile, or what the bucket says',
    describe: 'Region of the bucket',
    group: 'Store',
  },
  s3Profile: {
    parse: text('the name of a profile'),
    default: undefined,
    defaultText: "AWS_PROFILE and the SDK's usual chain",
    describe: 'Profile of ~/.aws with the credentials',
    group: 'Store',
  },
  s3PathStyle: {
    parse: flag(),
    default: undefined,
    defaultText: 'on with an endpoint of your own',
    describe: 'https://host/bucket/key instead of https://bucket.host/key',
    group: 'Store',
    isFlag: true,
  },
  requesterPays: {
    parse: flag(),
    default: false,
    describe: 'Agree to pay for requests, where a bucket asks its readers to',
    group: 'Store',
    isFlag: true,
  },
  s3Anonymous: {
    parse: flag(),
    default: false,
    describe: 'Read public buckets without credentials: requests to read are not signed',
    group: 'Store',
    isFlag: true,
  },
  s3Timeout: {
    parse: positiveNumber(),
    default: 15,
    describe: 'Seconds without a byte after which a request is cut and tried again',
    group: 'Store',
  },
  s3Patience: {
    parse: positiveNumber(),
    default: 600,
    describe: 'Seconds to try one request again before the run stops, resumable',
    group: 'Store',
  },
  device: {
    parse: oneOf('auto', 'cuda', 'cpu', 'wasm'),
    default: 'auto',
    describe: 'Where the network runs; asking for cuda and not getting it is an error',
    group: 'Machine',
    modes: CNN_MODES,
  },
  gpus: {
    parse: gpuNumbers(),
    default: undefined,
    defaultText: 'one, the first that CUDA_VISIBLE_DEVICES shows',
    describe: 'GPUs to use at once, one process each: all, or numbers such as 0,1',
    group: 'Machine',
    modes: CNN_MODES,
  },
  enginesPerGpu: {
    parse: autoOr(integer(1, 8)),
    default: 'auto',
    describe:
      'Engine processes on each GPU: a second one computes while the first moves data; auto: 2 where that is measured to be faster',
    group: 'Machine',
    modes: CNN_MODES,
  },
  engine: {
    parse: oneOf('auto', 'graph', 'eager'),
    default: 'auto',
    describe: 'One TensorFlow graph, or layer by layer; auto: the graph where it is available',
    group: 'Machine',
    modes: CNN_MODES,
  },
  conv: {
    parse: oneOf('auto', 'fused', 'winograd', 'direct'),
    default: 'auto',
    describe:
      "Convolutions on the CPU: ours (winograd: of 3×3; fused: in networks with depthwise ones those and 1×1, too) or TensorFlow's; auto: the faster, measured once",
    group: 'Machine',
    modes: CNN_MODES,
  },
  precision: {
    parse: oneOf('fp32', 'tf32', 'bf16', 'fp16'),
    default: 'fp32',
    describe: 'Arithmetic of the convolutions; fp32 is strict, tf32 needs an NVIDIA GPU',
    group: 'Machine',
    definesFeatures: 'vectors',
    modes: CNN_MODES,
  },
  batch: {
    parse: autoOr(integer(1, 4096)),
    default: 'auto',
    describe:
      'Images in a batch; auto: 16 on a CPU, 4 on wasm, on a GPU what is measured at the start',
    group: 'Machine',
    modes: CNN_MODES,
  },
  workers: {
    parse: integer(1, 256),
    default: () => Math.max(1, availableParallelism()),
    defaultText: 'number of CPU cores',
    describe: 'Threads that decode and resize',
    group: 'Machine',
  },
  shard: {
    parse: jobShard(),
    default: undefined,
    defaultText: 'the whole run',
    describe:
      'Compute part 3 of 16 as one of several jobs, which merge joins: 3/16; in an array of SLURM auto, there and on Kubernetes auto/16',
    group: 'Run',
  },
  maxBad: {
    parse: badLimit(),
    default: '100%',
    describe: 'Stop when more images than this are rejected: a count or a share (5%)',
    group: 'Run',
  },
  dryRun: {
    parse: flag(),
    default: false,
    describe: 'List, count and sample the input; expect sizes and time; write nothing',
    group: 'Run',
    isFlag: true,
  },
} as const satisfies Record<string, OptionDefinition>;

export type OptionKey = keyof typeof EXTRACT_OPTIONS;

type OptionValue<D> = D extends { parse: Parser<infer T>; default: infer V }
  ? T | (V extends undefined ? undefined : never)
  : never;

/** Complete, checked, JSON-able; the same for the command line, the library and workers. */
export type ExtractOptions = Readonly<
  { input: string; mode: Mode; out: string } & {
    [K in OptionKey]: OptionValue<(typeof EXTRACT_OPTIONS)[K]>;
  }
>;

/** The help text, with the words that the option takes where they are few. */
export function describeOption({ describe, parse }: OptionDefinition): string {
  const { choices = [] } = parse;
  const isSaid = choices.every((word) => describe.includes(word));
  return isSaid ? describe : `${describe} [${choices.join(', ')}]`;
}

/** Whether the run makes a split of its own (`--split 80/10/10`). */
export function makesSplit({ split }: Pick<ExtractOptions, 'split'>): boolean {
  return split?.includes('/') ?? false;
}
