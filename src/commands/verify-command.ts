import type { Argv } from 'yargs';
import { printable } from '../terminal/escape.ts';
import type { CommandContext } from './command-context.ts';
import type { ExitStatus } from './exit-status.ts';

/** `img2features verify <run>`: does a finished run still hold what it says? */
export function addVerifyCommand(
  cli: Argv,
  { terminal }: CommandContext,
  finish: (status: ExitStatus) => void,
): Argv {
  return cli.command(
    'verify <run>',
    'Check a finished run: counts, hashes, every row finite, every origin once',
    (command) =>
      command
        .positional('run', { type: 'string', demandOption: true, describe: 'The --out of a run' })
        .option('json', { type: 'boolean', describe: 'Print the result as JSON' }),
    async (args) => {
      const { verifyRun } = await import('../run/verify-run.ts');
      const problems = await verifyRun(args.run);
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
