import type { Argv } from 'yargs';
import { integer, positiveNumber } from '../option-values.ts';
import type { CommandContext } from './command-context.ts';
import type { ExitStatus } from './exit-status.ts';
import { formatModelInfo, runModelInfo } from './model-info.ts';
import { formatModelInit, runModelInit } from './model-init.ts';

/** `img2features model init|info|convert|fetch`: model folders. */
export function addModelCommand(
  cli: Argv,
  context: CommandContext,
  finish: (status: ExitStatus) => void,
): Argv {
  /** Prints a result for people or, with --json, for machines. */
  function show<T>(asJson: unknown, result: T, format: (result: T) => string): void {
    const text = asJson === true ? JSON.stringify(result) : format(result);
    context.terminal.stdout(text.endsWith('\n') ? text : `${text}\n`);
    finish(0);
  }

  return cli.command('model', 'Make, convert, fetch and describe model folders', (model) =>
    model
      .command(
        'init <architecture>',
        'Write seeded, untrained weights: for demos, tests and benchmarks',
        (command) =>
          command
            .positional('architecture', {
              type: 'string',
              demandOption: true,
              describe: 'vgg16, vgg19, resnet50 or mobilenetv2',
            })
            .option('seed', textOption('Integer; the same seed gives the same weights', '1'))
            .option('width', textOption('Width multiplier; 1 is the full network', '1'))
            .option('classes', textOption('Units of the last layer', '1000'))
            .option('out', textOption('Model folder', 'models/<architecture>'))
            .option('overwrite', { type: 'boolean', describe: 'Replace a model folder' })
            .option('json', { type: 'boolean', describe: 'Print the result as JSON' }),
        async (args) => {
          const { architecture, seed = '1', width, classes, out } = args;
          const result = await runModelInit({
            architecture,
            seed: integer(0, 0xffffffff)(seed, 'seed'),
            ...(width !== undefined && { width: positiveNumber()(width, 'width') }),
            ...(classes !== undefined && { classes: integer(1, 1_000_000)(classes, 'classes') }),
            ...(out !== undefined && { dir: out }),
            overwrite: args.overwrite === true,
            signal: context.signal,
          });
          show(args.json, result, formatModelInit);
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
              describe: 'Also check the SHA-256 of the weights',
            })
            .option('json', { type: 'boolean', describe: 'Print the result as JSON' }),
        async (args) => {
          const info = await runModelInfo({
            dir: args.folder,
            verify: args.verify === true,
            signal: context.signal,
          });
          show(args.json, info, formatModelInfo);
        },
      )
      .demandCommand(1, 'Expected init, info, convert or fetch after model but received nothing.'),
  );
}

function textOption(describe: string, defaultDescription: string) {
  return { type: 'string', requiresArg: true, describe, defaultDescription } as const;
}
