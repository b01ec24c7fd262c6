import type { Argv } from 'yargs';
import { OptionError } from '../errors.ts';
import { oneOf } from '../option-values.ts';
import { EXTRACT_OPTIONS, flagName, type OptionDefinition, resolveOptions } from '../options.ts';
import { createReporter } from '../terminal/reporter.ts';
import type { CommandContext } from './command-context.ts';
import { dryRun } from './dry-run.ts';
import type { ExitStatus } from './exit-status.ts';

/** `img2features <input> --mode … --out …`: the main job. */
export function addExtractCommand(
  cli: Argv,
  context: CommandContext,
  finish: (status: ExitStatus) => void,
): Argv {
  return cli.command(
    ['$0 [input]', 'extract [input]'],
    'Turn images into a table of feature vectors',
    (command) =>
      runOptions(command)
        .example(
          '$0 dataset --mode pixels --out features',
          '300 pixel values and 10 components an image',
        )
        .example('$0 dataset --mode vgg16 --layer fc2 --out features', 'VGG16 embeddings'),
    async (args) => finish(await runExtract(args, context)),
  );
}

/** `img2features transform <input> --with <run> --out …`: new images, the same scaler and PCA. */
export function addTransformCommand(
  cli: Argv,
  context: CommandContext,
  finish: (status: ExitStatus) => void,
): Argv {
  return cli.command(
    'transform [input]',
    'New images through the scaler and PCA of a finished run',
    (command) =>
      runOptions(command).example(
        '$0 transform new --with features --out new-features',
        'Same mode, model, layer, resize, scaler and PCA as the run in features',
      ),
    async (args) => {
      const raw = withEnvironment(args, context.env);
      const { inheritOptions } = await import('../pipeline/inherit-options.ts');
      finish(await runExtract(await inheritOptions(raw, context.signal), context));
    },
  );
}

async function runExtract(
  args: Record<string, unknown>,
  context: CommandContext,
): Promise<ExitStatus> {
  const raw = withEnvironment(args, context.env);
  const log = raw.log === undefined ? 'text' : oneOf('text', 'json')(raw.log, 'log');
  const quiet = raw.quiet === true || raw.quiet === 'true';
  const options = resolveOptions(pickOptions(raw));
  if (options.dryRun) return dryRun(options, { ...context, log });
  const reporter = createReporter({ ...context.terminal, log, quiet });
  try {
    const { extract } = await import('../extract.ts');
    const summary = await extract(options, {
      signal: context.signal,
      onEvent: (event) => reporter.handle(event),
    });
    const isUpToDate = summary.wasComplete && summary.update !== undefined;
    return summary.rejected > 0 && !isUpToDate ? 1 : 0;
  } finally {
    reporter.close();
  }
}

/** Every option of a run, as options.ts defines them. */
function runOptions(command: Argv) {
  return Object.entries(EXTRACT_OPTIONS as Record<string, OptionDefinition<unknown>>)
    .reduce(
      (all, [key, definition]) => all.option(flagName(key), yargsOption(definition)),
      command
        .positional('input', {
          type: 'string',
          describe:
            'A folder (dataset/<class>/<image>), s3://bucket/prefix, one image, or a list of paths (.txt, .jsonl)',
        })
        .option('mode', {
          type: 'string',
          requiresArg: true,
          group: 'Features:',
          describe: 'pixels (10×10 RGB), vgg16, or cnn (any model folder by --model)',
        })
        .option('out', {
          type: 'string',
          requiresArg: true,
          group: 'Output:',
          describe: 'Folder or s3://bucket/prefix for the table',
        }),
    )
    .option('log', {
      type: 'string',
      requiresArg: true,
      group: 'Run:',
      describe: 'text, or json: one event a line on stdout',
    })
    .option('quiet', { type: 'boolean', group: 'Run:', describe: 'Only the summary and errors' })
    .config('config', 'JSON file with any of these options');
}

function yargsOption(definition: OptionDefinition<unknown>) {
  const { default: fallback, defaultText } = definition;
  const shown = defaultText ?? (fallback === undefined ? undefined : String(fallback));
  return {
    // Values stay text here: options.ts alone checks them, so that every source meets the same check.
    type: definition.isFlag ? ('boolean' as const) : ('string' as const),
    ...(definition.isFlag ? {} : { requiresArg: true }),
    describe: definition.describe,
    group: `${definition.group}:`,
    ...(shown === undefined ? {} : { defaultDescription: shown }),
  };
}

/** IMG2FEATURES_MAX_BAD=5% stands for --max-bad 5% where the command line and the file say nothing. */
function withEnvironment(
  args: Record<string, unknown>,
  env: CommandContext['env'],
): Record<string, unknown> {
  const merged = { ...args };
  for (const key of ['mode', 'out', 'log', 'quiet', ...Object.keys(EXTRACT_OPTIONS)]) {
    const name = flagName(key);
    const value = env[`IMG2FEATURES_${name.replaceAll('-', '_').toUpperCase()}`];
    if (merged[name] === undefined && value !== undefined && value !== '') merged[name] = value;
  }
  return merged;
}

/** Only what `extract` knows, under its own names; yargs' own entries stay behind. */
function pickOptions(args: Record<string, unknown>): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const key of ['input', 'mode', 'out', ...Object.keys(EXTRACT_OPTIONS)]) {
    const value = args[flagName(key)];
    if (value !== undefined) picked[key] = value;
  }
  if (picked.input === undefined) {
    throw new OptionError(
      'Expected an input (a folder, an image or a list) but received nothing.',
      {
        fix: 'img2features dataset --mode pixels --out features; img2features --help lists all options.',
      },
    );
  }
  return picked;
}
