/** Runs one install of the recipe in $RECIPE, with a trial run that always succeeds. */
import { installRecipe } from '../../dist/runtime/install/install-runtime.js';

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const prove = async () => ({
  tensorflow: '2.21.0',
  device: 'cpu',
  unopened: process.env.UNOPENED ? [process.env.UNOPENED] : [],
});
try {
  const recipe = JSON.parse(process.env.RECIPE);
  const force = process.env.FORCE === '1';
  const { probe, withoutOperations } = await installRecipe(recipe, { prove, force, onStep: say });
  say({ done: true, wasThere: probe === undefined, withoutOperations });
} catch (error) {
  say({ error: `${error.name}: ${error.message}` });
}
