import type { Argv } from 'yargs';
import { OptionError } from '../errors.ts';
import { printableJson } from '../json.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { jobOfArray } from '../options/job-of-array.ts';
import { INHERITED_KEYS, OPTION_KEYS, STORE_KEYS } from '../options/option-keys.ts';
import { resolveOptions } from '../options/resolve-options.ts';
import type { Device } from '../runtime/choose-device.ts';
import { createReporter } from '../terminal/reporter.ts';
import type { CommandContext, ExitStatus, Finish } from './command-context.ts';
import {
  addLogOptions,
  addOptions,
  configOption,
  givenOptions,
  logOptions,
  modeOption,
  valueOption,
} from './given-options.ts';

/** `img2features <input> --mode … --out …`: the main job. */
export function addExtractCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
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
export function addTransformCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
  return cli.command(
    'transform [input]',
    'New images through the scaler and PCA of a finished run',
    (command) =>
      runOptions(command, TRANSFORM_KEYS, (key) =>
        INHERITED_KEYS.includes(key) ? AS_WITH : undefined,
      )
        .option('with', valueOption(WITH, 'Features:'))
        .example(
          '$0 transform new --with features --out new-features',
          'Same mode, model, layer, resize, scaler and PCA as the run in features',
        )
        .epilogue(
          `Options with the default "${AS_WITH}" need not be given; a value that gives other features is an error.`,
        ),
    async (args) => {
      const raw = givenOptions(args, context.env, ['with', 'model', ...STORE_KEYS]);
      const { inheritedOptions } = await import('../pipeline/inherited-options.ts');
      finish(await runExtract(args, context, await inheritedOptions(raw, context.signal)));
    },
  );
}

const WITH = 'Needed: the --out of a finished run, whose scaler and PCA are used';
const AS_WITH = 'as in --with';

/** --with has its own help text here; the PCA of another run is never fitted again. */
const TRANSFORM_KEYS = OPTION_KEYS.filter((key) => key !== 'with' && key !== 'refit');

async function runExtract(
  args: Record<string, unknown>,
  context: CommandContext,
  inherited: Record<string, unknown> = {},
): Promise<ExitStatus> {
  // yargs takes a single "-" for an empty text.
  const isPiped = args.input === '' && context.argv.includes('-');
  const given = isPiped ? { ...args, input: '-' } : args;
  const raw = givenOptions(given, context.env, undefined, inherited);
  const { log, quiet } = logOptions(raw);
  const shard = raw.shard && jobOfArray(raw.shard, context.env);
  const options = resolveOptions(pickOptions({ ...raw, shard }));
  if (options.dryRun) return dryRun(options, { ...context, log });
  const reporter = createReporter({ ...context.terminal, log, quiet });
  try {
    const { extract } = await import('../extract.ts');
    let device: string | undefined;
    const summary = await extract(options, {
      signal: context.signal,
      onEvent: (event) => {
        if (event.event === 'engine') device = event.device;
        reporter.handle(event);
      },
    });
    if (device !== undefined) {
      const { rememberRate } = await import('../pipeline/extractor/recorded-rates.ts');
      await rememberRate(options, summary, device as Device).catch(() => {}); // for estimates only
    }
    const isUpToDate = summary.wasComplete && summary.update !== undefined;
    return summary.rejected > 0 && !isUpToDate ? 1 : 0;
  } finally {
    reporter.close();
  }
}

/** The options of a run, as options/extract-options.ts defines them. */
function runOptions(
  command: Argv,
  keys = OPTION_KEYS,
  shownDefault?: (key: string) => string | undefined,
) {
  return configOption(
    addLogOptions(
      addOptions(
        modeOption(command, shownDefault?.('mode'))
          .positional('input', {
            type: 'string',
            describe:
              'A folder (dataset/<class>/<image>), s3://bucket/prefix, archives (.tar, .zip), Parquet files of images, one image, or a list of images (.txt, .csv, .jsonl; - is standard input)',
          })
          .option('out', valueOption('Folder or s3://bucket/prefix for the table', 'Output:')),
        keys,
        shownDefault,
      ),
    ),
  );
}

/** Only what `extract` knows, without yargs' own entries. */
function pickOptions(raw: Record<string, unknown>): Record<string, unknown> {
  if (raw.input === undefined) {
    throw new OptionError(
      'Expected an input (a folder, an image or a list) but received nothing.',
      {
        fix: 'img2features dataset --mode pixels --out features; img2features --help lists all options.',
      },
    );
  }
  return Object.fromEntries(['input', 'mode', 'out', ...OPTION_KEYS].map((key) => [key, raw[key]]));
}

/** `--dry-run`: counts, sizes and times of a run that is not made. */
async function dryRun(
  options: ExtractOptions,
  { terminal, signal, log }: CommandContext & { readonly log: 'text' | 'json' },
): Promise<ExitStatus> {
  const { runDryRun } = await import('../dry-run/run-dry-run.ts');
  const { formatDryRun } = await import('../dry-run/format-dry-run.ts');
  const result = await runDryRun(options, signal);
  terminal.stdout(
    log === 'json' ? `${printableJson({ event: 'dry-run', ...result })}\n` : formatDryRun(result),
  );
  return result.rejections.length + result.sample.rejected.length > 0 ? 1 : 0;
}
