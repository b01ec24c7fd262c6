import { join, resolve } from 'node:path';
import { type FetchModelOptions, fetchModel } from '../convert/fetch/fetch-model.ts';
import { printable } from '../json.ts';
import { countValues } from '../model/count-values.ts';
import { expectPath } from '../place.ts';
import { cacheDir } from '../runtime/cache-dir.ts';
import { formatModelConvert, type ModelConvertResult } from './model-convert.ts';

export interface ModelFetchOptions extends Omit<FetchModelOptions, 'dir' | 'cacheDir'> {
  /** Default: models/<name> in the working folder. */
  readonly dir?: string;
  /** Default: the cache of this user. */
  readonly cacheDir?: string;
}

/** JSON-able: what `--json` prints. */
export interface ModelFetchResult extends ModelConvertResult {
  readonly url: string;
  /** The downloaded file, kept for the next time. */
  readonly file: string;
  readonly wasCached: boolean;
  /** True when the model folder was there already, made from this file. */
  readonly wasThere: boolean;
  /** What the download was checked against. */
  readonly checkedBy: string;
}

/**
 * `img2features model fetch <name>`: published weights, checked and converted.
 * @throws OptionError, ModelError
 */
export async function runModelFetch(options: ModelFetchOptions): Promise<ModelFetchResult> {
  const started = performance.now();
  const notes: string[] = [];
  const dir = resolve(expectPath(options.dir ?? join('models', options.name), '--out'));
  const fetched = await fetchModel({
    ...options,
    dir,
    cacheDir: options.cacheDir ?? cacheDir(),
    onNote: (note) => {
      notes.push(note);
      options.onNote?.(note);
    },
  });
  const { folder, url, file, wasCached, wasThere, checkedBy } = fetched;
  const params = countValues(folder.weights);
  return {
    dir,
    metadata: folder.metadata,
    params,
    weightBytes: 4 * params,
    notes,
    ms: performance.now() - started,
    url,
    file,
    wasCached,
    wasThere,
    checkedBy,
  };
}

export function formatModelFetch(result: ModelFetchResult): string {
  const { url, file, wasCached, wasThere, checkedBy, dir } = result;
  if (wasThere) return `${printable(`Already there: ${dir} (from ${url})`)}\n`;
  const verb = wasCached ? 'Already there' : `Fetched ${url}`;
  return `${printable(`${verb}: ${file} (checked by ${checkedBy})`)}\n${formatModelConvert(result)}`;
}
