import type { Argv } from 'yargs';
import { printable, printableJson } from '../json.ts';
import { oneOf } from '../options/option-values.ts';
import { CLEAR_LINE } from '../terminal/reporter.ts';
import { formatDuration } from '../terminal/units.ts';
import type { CommandContext, Finish } from './command-context.ts';
import { givenOptions } from './given-options.ts';

/** `img2features setup [--gpu]`: installs the TensorFlow runtime. */
export function addSetupCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
  return cli.command(
    'setup',
    'Install the TensorFlow runtime into the cache folder',
    (command) =>
      command
        .option('gpu', {
          type: 'boolean',
          default: false,
          describe: "The CUDA 12 library and NVIDIA's packages (about 2.9 GB to download)",
        })
        .option('force', { type: 'boolean', default: false, describe: 'Install again' })
        .option('log', { type: 'string', requiresArg: true, describe: 'text or json' })
        .example('$0 setup', "The library for this machine's CPU")
        .example('$0 setup --gpu', 'With CUDA, for an NVIDIA GPU'),
    async (args) => {
      const { runSetup } = await import('./setup.ts');
      const { log } = givenOptions(args, context.env, ['log']);
      const isJson = oneOf('text', 'json')(log ?? 'text', 'log') === 'json';
      const { stdout, stderr, isTerminal } = context.terminal;
      const result = await runSetup(
        { gpu: args.gpu, force: args.force, signal: context.signal },
        (step) => {
          if (isJson) stdout(`${printableJson({ event: 'step', ...step })}\n`);
          else if (step.state === 'done') {
            const text = `${step.name}: ${step.detail} (${formatDuration(step.ms)})`;
            stderr(`${isTerminal ? CLEAR_LINE : ''}${printable(text)}\n`);
          } else if (isTerminal) {
            stderr(`${CLEAR_LINE}${printable(`${step.name}: ${step.detail}`)}`);
          }
        },
      );
      if (isJson) stdout(`${printableJson({ event: 'setup', ...result })}\n`);
      else {
        const { runtime, wasInstalled, ms } = result;
        const how = wasInstalled ? 'already there' : `ready after ${formatDuration(ms)}`;
        const what = `TensorFlow ${runtime.tensorflow} (${runtime.kind})`;
        stdout(`${what} is ${how}: ${printable(runtime.dir)}\n`);
        if (result.notice !== undefined) stdout(`${printable(result.notice)}\n`);
      }
      finish(0);
    },
  );
}
