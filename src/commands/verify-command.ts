import type { Argv } from 'yargs';
import { printable, printableJson } from '../json.ts';
import { STORE_KEYS } from '../options/option-keys.ts';
import { storeOptions } from '../options/resolve-options.ts';
import { s3OptionsOf } from '../s3/s3-options.ts';
import type { CommandContext, Finish } from './command-context.ts';
import { addOptions, configOption, givenOptions } from './given-options.ts';

/** `img2features verify <run>`: checks that a finished run is still as its run.json says. */
export function addVerifyCommand(cli: Argv, context: CommandContext, finish: Finish): Argv {
  const { terminal, signal, env } = context;
  return cli.command(
    'verify <run>',
    'Check a finished run: counts, hashes, every row finite, every origin once',
    (command) =>
      configOption(
        addOptions(command, STORE_KEYS)
          .positional('run', { type: 'string', demandOption: true, describe: 'The --out of a run' })
          .option('json', { type: 'boolean', describe: 'Print the result as JSON' }),
      )
        .example('$0 verify features', 'Says "features is sound." or what is not')
        .example('$0 verify s3://bucket/features --json', 'In a store, for a program')
        .epilogue('Exit status: 0 sound, 2 not.'),
    async (args) => {
      const { verifyRun } = await import('../pipeline/verify-run.ts');
      const { readRunJson } = await import('../run/run-json.ts');
      const { openOutputForReading } = await import('../storage/open-output.ts');
      const given = givenOptions(args, env, STORE_KEYS);
      const s3 = s3OptionsOf(storeOptions(given));
      const store = await openOutputForReading(args.run, { s3, signal });
      const problems = await verifyRun(store);
      const sound = problems.length === 0;
      const { job } = sound ? await readRunJson(store) : {};
      await store.close?.();
      const lines = problems.map((problem) => `  ${printable(problem)}\n`).join('');
      const part = job === undefined ? '' : `: job ${job.shard} of a run, for merge`;
      if (args.json === true) {
        terminal.stdout(`${printableJson({ run: args.run, sound, problems })}\n`);
      } else {
        terminal.stdout(
          `${printable(args.run)} is ${sound ? 'sound' : 'not sound'}${part}${sound ? '.' : ':'}\n${lines}`,
        );
      }
      finish(sound ? 0 : 2);
    },
  );
}
