import type { Argv } from 'yargs';
import { OptionError } from '../errors.ts';
import type { OptionKey } from '../options/extract-options.ts';
import { STORE_KEYS } from '../options/option-keys.ts';
import { resolveOptions } from '../options/resolve-options.ts';
import { createReporter } from '../terminal/reporter.ts';
import type { CommandContext, ExitStatus, Finish } from './command-context.ts';
import {
  addLogOptions,
  addOptions,
  configOption,
  givenOptions,
  logOptions,
  valueOption,
} from './given-options.ts';

/** All else is as the jobs had it. */
const KEYS = [
  'report',
  'thumbnails',
  'quality',
  'overwrite',
  'workDir',
  ...STORE_KEYS,
] as const satisfies readonly OptionKey[];

/** `img2features merge out-* --out features`: the table of a run that several jobs have computed. */
export function addMergeCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
  return cli.command(
    'merge <outs..>',
    'Join the outputs of jobs (--shard) into one table',
    (command) =>
      configOption(
        addLogOptions(
          addOptions(command, KEYS)
            .positional('outs', {
              type: 'string',
              array: true,
              demandOption: true,
              describe: 'The --out of every job',
            })
            .option('out', valueOption('Folder or s3://bucket/prefix for the table', 'Output:')),
        ),
      ).example('$0 merge out-* --out features', 'The table that one run would have made'),
    async (args) => finish(await runMerge(args, context)),
  );
}

async function runMerge(
  args: Record<string, unknown>,
  context: CommandContext,
): Promise<ExitStatus> {
  const raw = givenOptions(args, context.env, [...KEYS, 'out', 'log', 'quiet']);
  if (raw.out === undefined) {
    throw new OptionError('Expected a folder for the table for --out but received nothing.', {
      fix: 'img2features merge out-* --out features',
    });
  }
  const keys = KEYS.filter((key) => raw[key] !== undefined);
  const told = Object.fromEntries(keys.map((key) => [key, raw[key]]));
  const options = resolveOptions({ input: '.', mode: 'pixels', out: raw.out, ...told });
  const given = Object.fromEntries(['out' as const, ...keys].map((key) => [key, options[key]]));
  const reporter = createReporter({ ...context.terminal, ...logOptions(raw) });
  try {
    const { merge } = await import('../merge.ts');
    const outs = args.outs as readonly string[];
    const { signal } = context;
    const onEvent = reporter.handle;
    const summary = await merge(
      { outs, given: { ...given, out: options.out } },
      { signal, onEvent },
    );
    return summary.rejected > 0 ? 1 : 0;
  } finally {
    reporter.close();
  }
}
