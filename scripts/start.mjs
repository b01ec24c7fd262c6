/**
 * `npm start`: sets up, then `img2features demo`.
 * `npm start -- <input> --mode … --out …`: sets up and runs the tool with these arguments.
 */
import { bootstrap, CLI } from './bootstrap.mjs';
import { runCommand } from './lib/run-command.mjs';
import { StepError } from './lib/steps.mjs';

const args = process.argv.slice(2);

try {
  // With arguments, stdout belongs to the tool.
  await bootstrap(args.length === 0 ? process.stdout : process.stderr);
  const command = args.length === 0 ? ['demo'] : args;
  process.exitCode = await runCommand(process.execPath, [CLI, ...command]);
  if (args.length === 0)
    console.log('After `npm link`, or with `npm start --` in place of img2features.');
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
