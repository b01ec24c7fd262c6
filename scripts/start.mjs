/**
 * `npm start`: sets up, draws images, runs two networks and the pixels on them and shows the tables.
 * `npm start -- <input> --mode … --out …`: sets up and runs the tool with these arguments.
 */
import { bootstrap, CLI } from './bootstrap.mjs';
import { demo } from './demo.mjs';
import { runCommand } from './lib/run-command.mjs';
import { StepError } from './lib/steps.mjs';

const args = process.argv.slice(2);

try {
  // With arguments, stdout belongs to the tool.
  await bootstrap(args.length === 0 ? process.stdout : process.stderr);
  process.exitCode =
    args.length === 0 ? await demo() : await runCommand(process.execPath, [CLI, ...args]);
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
