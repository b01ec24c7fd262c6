import type { Argv, Options } from 'yargs';
import { EXTRACT_OPTIONS, flagName, type OptionDefinition } from '../options.ts';
import { STORE_OPTIONS, storeOptions } from '../pipeline/inherit-options.ts';
import { s3OptionsOf } from '../s3/s3-options.ts';
import { printable } from '../terminal/escape.ts';
import type { CommandContext } from './command-context.ts';
import type { ExitStatus } from './exit-status.ts';

/** `img2features verify <run>`: does a finished run still hold what it says? */
export function addVerifyCommand(
  cli: Argv,
  { terminal, signal }: CommandContext,
  finish: (status: ExitStatus) => void,
): Argv {
  return cli.command(
    'verify <run>',
    'Check a finished run: counts, hashes, every row finite, every origin once',
    (command) =>
      Object.entries(storeFlags()).reduce(
        (all, [flag, options]) => all.option(flag, options),
        command
          .positional('run', { type: 'string', demandOption: true, describe: 'The --out of a run' })
          .option('json', { type: 'boolean', describe: 'Print the result as JSON' }),
      ),
    async (args) => {
      const { verifyRun } = await import('../run/verify-run.ts');
      const { openOutputForReading } = await import('../export/open-output.ts');
      const s3 = s3OptionsOf(storeOptions(args));
      const store = await openOutputForReading(args.run, { s3, signal });
      const problems = await verifyRun(store);
      await store.close?.();
      if (args.json === true) {
        terminal.stdout(
          `${JSON.stringify({ run: args.run, sound: problems.length === 0, problems })}\n`,
        );
      } else if (problems.length === 0) {
        terminal.stdout(`${printable(args.run)} is sound.\n`);
      } else {
        const lines = problems.map((problem) => `  ${printable(problem)}\n`).join('');
        terminal.stdout(`${printable(args.run)} is not sound:\n${lines}`);
      }
      finish(problems.length === 0 ? 0 : 2);
    },
  );
}

/** The options that say how a store is reached; values are checked by `storeOptions`. */
function storeFlags(): Record<string, Options> {
  const definitions = EXTRACT_OPTIONS as Record<string, OptionDefinition<unknown>>;
  return Object.fromEntries(
    STORE_OPTIONS.map((key) => {
      const { isFlag, describe } = definitions[key]!;
      return [flagName(key), { type: isFlag ? 'boolean' : 'string', describe, group: 'Store:' }];
    }),
  );
}
