import { RunError } from '../errors.ts';
import type { OutputStore } from '../storage/output-store.ts';
import { readWhole } from '../storage/whole-file.ts';
import type { RunJson } from './run-json.ts';

/**
 * run.json of another run, which an option names.
 * @param option as the user wrote it: `--with`, `--compare`, `report`
 * @param hasReducer its reducer.npz is wanted, too
 * @throws RunError when that run is not complete, or has no reducer
 */
export async function readNamedRun(
  store: OutputStore,
  option: string,
  { hasReducer = false } = {},
): Promise<RunJson> {
  const names = await store.list('');
  const wanted = ['_SUCCESS', 'run.json', ...(hasReducer ? ['reducer.npz'] : [])];
  if (wanted.every((name) => names.includes(name))) return parse(store);
  throw new RunError(
    `Expected a finished run${hasReducer ? ' with a reducer' : ''} for ${option} but found ${names.length === 0 ? 'nothing' : 'an incomplete one'} in ${store.target}.`,
    {
      fix: `Name the --out of a run that ended with _SUCCESS${hasReducer ? ' and had --k above 0' : ''}.`,
    },
  );
}

/**
 * run.json of the run that finished in this very output.
 * @throws RunError when it is gone
 */
export async function readOwnRun(output: OutputStore): Promise<RunJson> {
  const names = await output.list('');
  if (names.includes('_SUCCESS') && names.includes('run.json')) return parse(output);
  throw new RunError(
    `Expected the finished run in ${output.target} to have its run.json and _SUCCESS but found them removed.`,
    { fix: 'Give --overwrite to compute the table anew, or name another --out.' },
  );
}

async function parse(store: OutputStore): Promise<RunJson> {
  return JSON.parse((await readWhole(store, 'run.json')).toString()) as RunJson;
}
