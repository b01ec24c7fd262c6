import { join, resolve } from 'node:path';
import { isImg2FeaturesError } from '../errors.ts';
import { printable } from '../json.ts';
import { buildArchitecture } from '../model/architectures/build-architecture.ts';
import { countValues } from '../model/count-values.ts';
import { type InitOptions, initModel } from '../model/init-model.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import { readModelFolder } from '../model/read-model-folder.ts';
import { expectPath } from '../place.ts';
import { formatBytes, formatCount, formatDuration } from '../terminal/units.ts';
import { NOT_TRAINED } from './model-info.ts';

export interface ModelInitOptions extends Omit<InitOptions, 'dir'> {
  /** Default: models/<architecture> in the working folder. */
  readonly dir?: string;
}

/** JSON-able: what `--json` prints. */
export interface ModelInitResult {
  readonly dir: string;
  readonly architecture: string;
  readonly seed: number;
  readonly width: number;
  readonly params: number;
  readonly weightBytes: number;
  readonly weightsSha256: string;
  readonly trained: false;
  /** True when the very same model was there already and nothing was written. */
  readonly wasThere: boolean;
  readonly ms: number;
}

/**
 * `img2features model init <architecture> --seed N`: a model with seeded weights. The same command
 * again finds its own result and writes nothing.
 * @throws OptionError, ModelError
 */
export async function runModelInit(options: ModelInitOptions): Promise<ModelInitResult> {
  const started = performance.now();
  const { architecture, seed, width = 1 } = options;
  const dir = resolve(expectPath(options.dir ?? join('models', architecture), '--out'));
  const existing = await findSameModel(dir, options);
  const folder = existing ?? (await initModel({ ...options, dir }));
  const params = countValues(folder.weights);
  return {
    dir,
    architecture,
    seed,
    width,
    params,
    weightBytes: 4 * params,
    weightsSha256: folder.metadata.weightsSha256,
    trained: false,
    wasThere: existing !== undefined,
    ms: performance.now() - started,
  };
}

export function formatModelInit(result: ModelInitResult): string {
  const { architecture, params, weightBytes, seed, width } = result;
  const size = `${formatCount(params)} weights, ${formatBytes(weightBytes)}`;
  const what = `${architecture}, ${size}, seed ${seed}${width === 1 ? '' : `, width ${width}`}`;
  const verb = result.wasThere ? 'Already there' : 'Wrote';
  const time = result.wasThere ? '' : ` in ${formatDuration(result.ms)}`;
  return `${printable(`${verb}: ${result.dir} (${what})${time}`)}\n${NOT_TRAINED}\n`;
}

/** The folder when it holds what these options would write, by what model.json and sizes say. */
async function findSameModel(
  dir: string,
  options: ModelInitOptions,
): Promise<ModelFolder | undefined> {
  let folder: ModelFolder;
  try {
    folder = await readModelFolder(dir);
  } catch (error) {
    // No model or a damaged one: initModel decides whether it may write there.
    if (isImg2FeaturesError(error)) return undefined;
    throw error;
  }
  const { source, architecture } = folder.metadata;
  const { seed, width = 1, classes, includeTop } = options;
  if (source.kind !== 'seeded' || architecture !== options.architecture) return undefined;
  if (source.seed !== seed || source.width !== width) return undefined;
  const built = buildArchitecture(options.architecture, { width, classes, includeTop });
  return JSON.stringify(built.topology) === JSON.stringify(folder.topology) ? folder : undefined;
}
