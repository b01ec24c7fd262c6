import type { Argv } from 'yargs';
import { OptionError } from '../errors.ts';
import type { FindingKind, KindCount } from '../events.ts';
import { printable, printableJson, show } from '../json.ts';
import { EXTRACT_OPTIONS } from '../options/extract-options.ts';
import { STORE_KEYS } from '../options/option-keys.ts';
import { flag } from '../options/option-values.ts';
import { storeOptions } from '../options/resolve-options.ts';
import { summarizeQuality } from '../pipeline/summarize.ts';
import { describeFindings, describeQuality } from '../terminal/summary.ts';
import { formatBytes } from '../terminal/units.ts';
import type { CommandContext, ExitStatus, Finish } from './command-context.ts';
import {
  addOptions,
  configOption,
  givenOptions,
  JSON_OPTION,
  valueOption,
} from './given-options.ts';

const COMPARE = 'Look for images that are in both: two folders (Training Test), or another run';
const NEAR = 'Near duplicates: distance as a share of that of two random images';
const KEYS = ['thumbnails', 'quality', ...STORE_KEYS] as const;

/** `img2features report <run>`: findings and page of a finished run, again or with other options. */
export function addReportCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
  return cli.command(
    'report <run>',
    'Write report.html and findings.jsonl of a finished run again',
    (command) =>
      configOption(
        addOptions(command, KEYS)
          .positional('run', { type: 'string', demandOption: true, describe: 'The --out of a run' })
          .option('compare', {
            ...valueOption(COMPARE, 'Output:', 'folders named train, test, val …'),
            array: true,
          })
          .option('near', valueOption(NEAR, 'Output:', '0.02 for pixels, 0.05 for networks'))
          .option('json', JSON_OPTION),
      )
        .example('$0 report features', 'After a change of the images, or without one')
        .example('$0 report features --compare Training Test', 'Test images that are in Training')
        .example('$0 report features --thumbnails 5000', 'More pictures'),
    async (args) => {
      const raw = givenOptions(args, context.env, [...KEYS, 'near', 'json']);
      finish(await runReport(raw, context));
    },
  );
}

async function runReport(
  raw: Readonly<Record<string, unknown>>,
  { terminal, signal }: CommandContext,
): Promise<ExitStatus> {
  const asJson = raw.json !== undefined && flag()(raw.json, 'json');
  const target = String(raw.run);
  const { reportRun } = await import('../report/report-run.ts');
  const { run, bytes } = await reportRun({
    run: target,
    compare: raw.compare as string[] | undefined,
    near: raw.near === undefined ? undefined : parseNear(raw.near),
    thumbnails:
      raw.thumbnails === undefined
        ? undefined
        : EXTRACT_OPTIONS.thumbnails.parse(raw.thumbnails, 'thumbnails'),
    quality:
      raw.quality === undefined ? undefined : EXTRACT_OPTIONS.quality.parse(raw.quality, 'quality'),
    stores: storeOptions(raw),
    signal,
  });
  const findings = run.findings as { readonly counts: Record<FindingKind, KindCount> };
  if (asJson) {
    terminal.stdout(`${printableJson({ run: target, findings, quality: run.quality, bytes })}\n`);
    return 0;
  }
  const lines = [
    ...describeFindings(findings.counts),
    ...(run.quality === undefined ? [] : [`  ${describeQuality(summarizeQuality(run.quality))}`]),
    `${target}/report.html  ${formatBytes(bytes.page)}`,
    `${target}/findings.jsonl  ${formatBytes(bytes.findings)}`,
  ];
  terminal.stdout(`${lines.map(printable).join('\n')}\n`);
  return 0;
}

function parseNear(value: unknown): number {
  const near = Number(value);
  if (value !== '' && Number.isFinite(near) && near >= 0 && near <= 1) return near;
  throw new OptionError(`Expected a number from 0 to 1 for --near but received ${show(value)}.`, {
    fix: 'Two random images are 1 apart; recoded copies of photographs about 0.01.',
  });
}
