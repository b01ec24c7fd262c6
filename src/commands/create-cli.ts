import yargs, { type Argv } from 'yargs';
import { OptionError } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import type { CommandContext } from './command-context.ts';
import type { ExitStatus } from './exit-status.ts';
import { addExtractCommand } from './extract-command.ts';
import { addModelCommand } from './model-command.ts';
import { addSetupCommand } from './setup-command.ts';

/**
 * Parses the command line and runs one command.
 * @returns the exit status of a command that ran to its end; failures are thrown.
 */
export async function createCli(context: CommandContext): Promise<ExitStatus> {
  const outcome: { status: ExitStatus } = { status: 0 };
  const finish = (status: ExitStatus) => {
    outcome.status = status;
  };
  let cli: Argv = yargs(context.argv as string[])
    .scriptName('img2features')
    .parserConfiguration({ 'camel-case-expansion': false, 'parse-numbers': false })
    .strict()
    .version(packageVersion())
    .help()
    .wrap(Math.min(110, context.terminal.columns))
    .exitProcess(false)
    .recommendCommands()
    .showHelpOnFail(false)
    .fail((message, error) => {
      throw (
        error ?? new OptionError(message, { fix: 'img2features --help lists what can be given.' })
      );
    });
  cli = addExtractCommand(cli, context, finish);
  cli = addModelCommand(cli, context, finish);
  cli = addSetupCommand(cli, context, finish);
  await cli.parseAsync();
  return outcome.status;
}
