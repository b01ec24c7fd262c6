import { isatty } from 'node:tty';
import type { Argv } from 'yargs';
import { OptionError } from '../errors.ts';
import { printableJson } from '../json.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { WORKER_KEYS } from '../options/option-keys.ts';
import { resolveOptions } from '../options/resolve-options.ts';
import type { CommandContext, Finish } from './command-context.ts';
import { addOptions, configOption, givenOptions, modeOption } from './given-options.ts';

/** `img2features worker --mode …`: Arrow in on stdin, Arrow out on stdout; docs/worker-protocol.md. */
export function addWorkerCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
  return cli.command(
    'worker',
    'Answer Arrow streams of images on stdin with features on stdout (for Spark)',
    (command) =>
      configOption(addOptions(modeOption(command) as Argv, WORKER_KEYS))
        .option('describe', {
          type: 'boolean',
          default: false,
          describe:
            'Print what the answer would hold, as JSON, and end; reads no input and no weights',
        })
        .example(
          '$0 worker --mode pixels < images.arrows > features.arrows',
          'One stream of origins',
        ),
    async (args) => {
      const options = workerOptions(givenOptions(args, context.env));
      if (args.describe === true) {
        const { describeWorker } = await import('../worker/answer.ts');
        context.terminal.stdout(`${printableJson(await describeWorker(options))}\n`);
        return finish(0);
      }
      refuseTerminals();
      const { supervise } = await import('../worker/supervise.ts');
      const status = await supervise(options, {
        signal: context.signal,
        onEvent: (event) => context.terminal.stderr(`${printableJson(event)}\n`),
      });
      finish(status);
    },
  );
}

/** A worker has pipes as its input and output. */
function workerOptions(raw: Record<string, unknown>): ExtractOptions {
  const given = ['mode', ...WORKER_KEYS].map((key) => [key, raw[key]]);
  return resolveOptions({ input: '-', out: '-', k: 0, ...Object.fromEntries(given) });
}

function refuseTerminals(): void {
  if (!isatty(0) && !isatty(1)) return;
  throw new OptionError('Expected pipes on stdin and stdout but found a terminal.', {
    fix: 'A program starts it: see docs/worker-protocol.md. For a folder of images use img2features <folder>.',
  });
}
