import type { Argv } from 'yargs';
import type { Check, CheckName } from '../doctor/check.ts';
import { printableJson } from '../json.ts';
import { EXTRACT_OPTIONS } from '../options/extract-options.ts';
import { STORE_KEYS } from '../options/option-keys.ts';
import { flag } from '../options/option-values.ts';
import { storeOptions } from '../options/resolve-options.ts';
import { s3OptionsOf } from '../s3/s3-options.ts';
import { createPaint } from '../terminal/colors.ts';
import { CLEAR_LINE } from '../terminal/reporter.ts';
import type { CommandContext, ExitStatus, Finish } from './command-context.ts';
import {
  addOptions,
  configOption,
  givenOptions,
  JSON_OPTION,
  valueOption,
} from './given-options.ts';

const OUT = 'Also check the folder (or s3:// address) that a run is to write';
const KEYS = ['model', 'preprocessing', 'device', ...STORE_KEYS] as const;

/** `img2features doctor`: what this machine has, what of it is used, and what to do about the rest. */
export function addDoctorCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
  return cli.command(
    'doctor',
    'Check this machine: library, GPU, decoders, model, speed, disk, store',
    (command) =>
      configOption(
        addOptions(command, KEYS)
          .option('s3', valueOption('Also try to list s3://bucket/prefix', 'Store:'))
          .option('out', valueOption(OUT, 'Output:'))
          .option('json', JSON_OPTION),
      )
        .example('$0 doctor', 'Is this machine ready, and does it use its GPU?')
        .example(
          '$0 doctor --model models/resnet50 --device cuda',
          'A given model on a given device',
        )
        .example('$0 doctor --s3 s3://bucket/images --out features', 'And a store, and a folder')
        .epilogue('Exit status: 0 all is well, also with warnings; 1 with problems.'),
    async (args) => {
      const raw = givenOptions(args, context.env, [...KEYS, 's3', 'out', 'json']);
      finish(await diagnose(raw, context));
    },
  );
}

async function diagnose(
  raw: Readonly<Record<string, unknown>>,
  { terminal, signal }: CommandContext,
): Promise<ExitStatus> {
  const asJson = raw.json !== undefined && flag()(raw.json, 'json');
  const { model, preprocessing, device } = EXTRACT_OPTIONS;
  const text = (name: 'model' | 's3' | 'out') =>
    raw[name] === undefined ? undefined : model.parse(raw[name], name);
  const s3Url = text('s3');
  const options = {
    model: text('model'),
    preprocessing:
      raw.preprocessing === undefined
        ? undefined
        : preprocessing.parse(raw.preprocessing, 'preprocessing'),
    device: device.parse(raw.device ?? 'auto', 'device'),
    s3Urls: s3Url === undefined ? [] : [s3Url],
    s3: s3OptionsOf(storeOptions(raw)),
    out: text('out'),
  } as const;

  const { runDoctor } = await import('../doctor/run-doctor.ts');
  const { formatCheck, formatVerdict } = await import('../doctor/check.ts');
  const paint = createPaint(!asJson && terminal.colors?.stdout === true);
  const checks: Check[] = [];
  const clear = terminal.isTerminal && !asJson ? CLEAR_LINE : '';
  const report = await runDoctor(options, {
    signal,
    onStart: (name: CheckName) => {
      if (clear !== '') terminal.stderr(`${clear}Checking ${name} …`);
    },
    onCheck: (check) => {
      checks.push(check);
      if (clear !== '') terminal.stderr(clear);
      if (!asJson) terminal.stdout(formatCheck(check, terminal.columns, paint));
    },
  });
  terminal.stdout(asJson ? `${printableJson(report)}\n` : `\n${formatVerdict(checks, paint)}`);
  return report.status === 'problem' ? 1 : 0;
}
