import { RunError } from '../errors.ts';
import { MAX_JSON_BYTES, parseJson, show } from '../json.ts';
import { type OutputStore, readWhole } from '../storage/output-store.ts';
import type { RunJson } from './run-json.ts';

const FIX = 'Restore the file, or compute the table again with --overwrite.';

/**
 * run.json of another run, which an option names.
 * @param option as the user wrote it: `--with`, `--compare`, `report`
 * @param hasReducer its reducer.npz is needed, too
 * @throws RunError when that run is not complete, or has no reducer
 */
export async function readNamedRun(
  store: OutputStore,
  option: string,
  { hasReducer = false } = {},
): Promise<RunJson> {
  const names = await store.list('');
  const wanted = ['_SUCCESS', 'run.json', ...(hasReducer ? ['reducer.npz'] : [])];
  if (wanted.every((name) => names.includes(name))) return readRunJson(store);
  throw new RunError(
    `Expected a finished run${hasReducer ? ' with a reducer' : ''} for ${option} but found ${names.length === 0 ? 'nothing' : 'an incomplete one'} in ${store.target}.`,
    {
      fix: `Name the --out of a run that ended with _SUCCESS${hasReducer ? ' and had --k above 0' : ''}.`,
    },
  );
}

/**
 * run.json of the run that finished in this very output.
 * @throws RunError when it is missing
 */
export async function readOwnRun(output: OutputStore): Promise<RunJson> {
  const names = await output.list('');
  if (names.includes('_SUCCESS') && names.includes('run.json')) return readRunJson(output);
  throw new RunError(
    `Expected the finished run in ${output.target} to have its run.json and _SUCCESS but found them removed.`,
    { fix: 'Give --overwrite to compute the table again, or name another --out.' },
  );
}

/** @throws RunError for a run.json that no run wrote: what this program reads of it is checked */
export async function readRunJson(store: OutputStore): Promise<RunJson> {
  const name = `run.json of ${store.target}`;
  const text = (await readWhole(store, 'run.json', MAX_JSON_BYTES)).toString();
  const run = parseJson(text, { name, error: RunError, fix: FIX }) as RunJson;
  const wrong = faultOf(run);
  if (wrong === undefined) return run;
  throw new RunError(`Expected ${name} as a run writes it but found ${wrong}.`, { fix: FIX });
}

function faultOf(run: RunJson): string | undefined {
  if (run?.format !== 1) return `format ${show(run?.format)}`;
  const { counts, files, options } = run;
  const numbers = [counts?.discovered, counts?.extracted, counts?.rejected, counts?.ignored];
  const isWhole = [...numbers, ...valuesOf(counts?.rejectedByReason)].every(isCount);
  if (!isWhole) return `${show(counts)} as counts`;
  if (!isObject(options)) return `${show(options)} as options`;
  if (!Array.isArray(files)) return `${show(files)} as files`;
  const badFile = files.find((file) => !isFile(file));
  if (badFile !== undefined) return `${show(badFile)} among its files`;
  const layers = run.model === undefined ? [] : (run.model as { layers?: unknown } | null)?.layers;
  const isNetwork = Array.isArray(layers) && layers.every(isLayer);
  return isNetwork ? undefined : `${show(layers)} as layers of its model`;
}

function isFile(file: unknown): boolean {
  if (!isObject(file)) return false;
  const { name, bytes, sha256 } = file;
  // A name must not lead out of the folder of the run.
  const isName = typeof name === 'string' && /^[^/\\]+(\/[^/\\]+)?$/.test(name);
  const isBelow = isName && !name.split('/').some((part) => part === '.' || part === '..');
  return isBelow && isCount(bytes) && /^[0-9a-f]{64}$/.test(String(sha256));
}

function isLayer(layer: unknown): boolean {
  if (!isObject(layer)) return false;
  const isPool = ['none', 'avg', 'max'].includes(String(layer.pool));
  return typeof layer.layer === 'string' && isPool && isCount(layer.length);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function valuesOf(value: unknown): unknown[] {
  return isObject(value) ? Object.values(value) : [value];
}
