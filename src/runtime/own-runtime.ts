/**
 * A TensorFlow of the user's own, as for a GPU that ours has no code for: IMG2FEATURES_TENSORFLOW names the folder of
 * its Python package, or of a build with the same folders. `setup` compiles our addons for it into the cache folder.
 */
import { createHash } from 'node:crypto';
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RuntimeError } from '../errors.ts';
import { runtimesDir } from './cache-dir.ts';
import { nvidiaDirs, readRuntime } from './runtime-record.ts';
import type { TensorFlowRuntime } from './tensorflow-runtime.ts';

export const OWN_VARIABLE = 'IMG2FEATURES_TENSORFLOW';

const LIBRARIES =
  process.platform === 'darwin'
    ? ['libtensorflow_cc.2.dylib', 'libtensorflow_framework.2.dylib']
    : ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];

/**
 * The folder that holds its libraries, and headers in `include`; undefined where the variable is not set.
 * @throws RuntimeError that names what is missing
 */
export function ownLibraryDir(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = env[OWN_VARIABLE];
  if (!named) return undefined;
  const dir = [named, join(named, 'tensorflow')].find((it) => existsSync(join(it, LIBRARIES[0])));
  const wanted = dir === undefined ? LIBRARIES : [LIBRARIES[1], 'include/tensorflow/c/c_api.h'];
  const missing = wanted.find((name) => !existsSync(join(dir ?? named, name)));
  if (dir !== undefined && missing === undefined) return realpathSync(dir);
  throw new RuntimeError(
    `Expected a TensorFlow in ${named} for ${OWN_VARIABLE} but found no ${missing}.`,
    { fix: "Name the folder of a TensorFlow's Python package (…/site-packages/tensorflow)." },
  );
}

/** Where our addons for it are; another library gives another name. */
export function ownRuntimeDir(libraryDir: string): string {
  const hash = createHash('sha256').update(libraryDir);
  for (const name of LIBRARIES) {
    const { size, mtimeMs } = statSync(join(libraryDir, name));
    hash.update(`\n${size} ${mtimeMs}`);
  }
  return join(runtimesDir(), `own-${hash.digest('hex').slice(0, 16)}`);
}

/** Folders of CUDA's libraries that pip installed beside the package. */
export function ownLibraryDirs(libraryDir: string): Promise<string[]> {
  return nvidiaDirs(dirname(libraryDir));
}

/** What the variable names; an error, for the code that needs the library, where it cannot be used. */
export async function findOwnRuntime(
  env: NodeJS.ProcessEnv = process.env,
): Promise<TensorFlowRuntime | RuntimeError | undefined> {
  try {
    const libraryDir = ownLibraryDir(env);
    if (libraryDir === undefined) return undefined;
    const runtime = await readRuntime(ownRuntimeDir(libraryDir));
    if (runtime) return { ...runtime, libraryDirs: await ownLibraryDirs(libraryDir) };
    return new RuntimeError(
      `Expected our addons for the TensorFlow in ${libraryDir} but found none.`,
      { fix: `Run \`img2features setup\` with ${OWN_VARIABLE} set as now.` },
    );
  } catch (error) {
    if (error instanceof RuntimeError) return error;
    throw error;
  }
}
