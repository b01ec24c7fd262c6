import { existsSync } from 'node:fs';
import yargs, { type Argv } from 'yargs';
import { closestNames } from '../closest-names.ts';
import { OptionError } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import type { CommandContext, ExitStatus, Finish } from './command-context.ts';
import { type CommandShape, commandShapes } from './command-shapes.ts';
import { addCompletionCommand, COMPLETE_FLAG, complete } from './completion-command.ts';
import { addDemoCommand } from './demo-command.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { addExtractCommand, addTransformCommand } from './extract-command.ts';
import { addMergeCommand } from './merge-command.ts';
import { addModelCommand } from './model-command.ts';
import { addPackCommand } from './pack-command.ts';
import { addReportCommand } from './report-command.ts';
import { addSetupCommand } from './setup-command.ts';
import { addVerifyCommand } from './verify-command.ts';
import { addWorkerCommand } from './worker-command.ts';

/**
 * Parses the command line and runs one command.
 * @returns the exit status of a command that ran to its end; failures are thrown.
 */
export async function createCli(context: CommandContext): Promise<ExitStatus> {
  const outcome: { status: ExitStatus } = { status: 0 };
  const finish = (status: ExitStatus) => {
    outcome.status = status;
  };
  const defineShapes = () => commandShapes((cli) => defineCommands(cli, context, finish));
  if (context.argv[0] === COMPLETE_FLAG) {
    const found = complete(context.argv.slice(1), defineShapes());
    context.terminal.stdout(found.map(({ word, describe }) => `${word}\t${describe}\n`).join(''));
    return 0;
  }
  refuseUnknownWord(context, defineShapes);
  let cli: Argv = yargs(context.argv as string[])
    .scriptName('img2features')
    .parserConfiguration({ 'camel-case-expansion': false, 'parse-numbers': false })
    .strict()
    .version(packageVersion())
    .help()
    .wrap(Math.min(110, context.terminal.columns))
    .option('color', {
      type: 'boolean',
      describe: 'Colours: --color, --no-color; else on a terminal without NO_COLOR',
    })
    .exitProcess(false)
    .recommendCommands()
    .showHelpOnFail(false)
    .fail((message, error) => {
      // yargs' own errors come as a message, as a YError or as both; ours are thrown unchanged.
      if (error !== undefined && error.name !== 'YError') throw error;
      throw usageError(message ?? error.message, context.argv, allFlags(defineShapes()));
    });
  cli = defineCommands(cli, context, finish);
  await cli.parseAsync();
  return outcome.status;
}

/** Every command; each adds itself to `cli`. */
export function defineCommands(cli: Argv, context: CommandContext, finish: Finish): Argv {
  const commands = [
    addExtractCommand,
    addTransformCommand,
    addDemoCommand,
    addModelCommand,
    addSetupCommand,
    addMergeCommand,
    addVerifyCommand,
    addReportCommand,
    addDoctorCommand,
    addWorkerCommand,
    addPackCommand,
    addCompletionCommand,
  ];
  return commands.reduce((all, add) => add(all, context, finish), cli);
}

function allFlags(shapes: readonly CommandShape[]): string[] {
  const flags = shapes.flatMap(({ options, commands }) => [
    ...options.keys(),
    ...allFlags(commands),
  ]);
  return [...new Set([...flags, 'color'])];
}

/** A first word that is almost a command would be read as the input. @throws OptionError */
function refuseUnknownWord({ argv }: CommandContext, shapes: () => readonly CommandShape[]): void {
  const [word = ''] = argv;
  if (!/^[a-z]+$/i.test(word) || existsSync(word)) return;
  const commands = shapes().flatMap(({ names, commands: inner }) => [
    ...names.filter((name) => name !== ''),
    ...inner.map(({ names: [name] }) => `${names[0]} ${name}`),
  ]);
  if (commands.includes(word)) return;
  const near = closestNames(word, commands, 2);
  if (near.length === 0) return;
  throw new OptionError(`Expected a command or an input that exists but found ${word}.`, {
    fix: `Did you mean img2features ${near.join(' or ')}? img2features --help lists the commands.`,
  });
}

/** Turns yargs' messages into the form of every other error. */
function usageError(
  message: string,
  argv: readonly string[],
  flags: readonly string[],
): OptionError {
  const refuse = (text: string, hint = '') =>
    new OptionError(text, { fix: `${hint}img2features --help lists what can be given.` });
  const unknown = /^Unknown arguments?: (.+)$/.exec(message)?.[1]?.split(', ');
  if (unknown !== undefined) {
    const words = unknown.filter((name) => argv.includes(name)).join(', ');
    if (words !== '') return refuse(`Expected one command or input but received also ${words}.`);
    const given = unknown.map((name) => `--${name}`).join(', ');
    if (unknown.every((name) => flags.includes(name))) {
      return refuse(`Expected options that this command takes but received ${given}.`);
    }
    const near = closestNames(unknown[0], flags, 2);
    const hint = near.length > 0 ? `Did you mean --${near.join(' or --')}? ` : '';
    return refuse(`Expected options that exist but received ${given}.`, hint);
  }
  if (message.startsWith('Did you mean')) {
    return refuse(`Expected a command that exists but received another. ${message}`);
  }
  const lacking = /^Not enough arguments following: (.+)$/.exec(message)?.[1];
  return refuse(
    lacking === undefined ? message : `Expected a value for --${lacking} but received none.`,
  );
}
