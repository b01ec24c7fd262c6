/**
 * Installs a TensorFlow runtime: wheels by pip, the library out of them, one compiler call, a
 * trial run, and last a rename. Until that rename nothing has the name that is looked for, so a
 * killed install leaves only folders that the next one clears away.
 */
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors.ts';
import { type FileLock, type Holder, waitForLock } from '../../files/lock-file.ts';
import { isHiddenName } from '../../files/put-in-place.ts';
import { runtimesDir } from '../cache-dir.ts';
import { GPU_LIBRARIES, linkLibraries } from '../gpu-libraries.ts';
import { hasOperations } from '../operations.ts';
import { ownLibraryDir, ownRuntimeDir } from '../own-runtime.ts';
import { probeRuntime } from '../probe-runtime.ts';
import { type PlatformKey, runtimePlatform } from '../runtime-platform.ts';
import { readRuntime, runtimeDir } from '../runtime-record.ts';
import type { TensorFlowRuntime } from '../tensorflow-runtime.ts';
import { makePrivateFolder } from '../trusted-code.ts';
import {
  addOperations,
  type BuildOptions,
  buildOwnRuntime,
  buildRuntime,
  checkOpened,
  type InstalledRuntime,
  type Tools,
} from './build-runtime.ts';
import { type AddonMaker, type AddonTarget, findAddonMaker } from './compile-addon.ts';
import { downloadsDir, removeKilledDownloads } from './downloads.ts';
import { diskFullError, findPip, type Pip } from './pip.ts';
import { type OnStep, reportStep } from './setup-step.ts';
import { type RuntimeRecipe, runtimeRecipe } from './wheels.ts';

export interface InstallOptions {
  /** The CUDA library and NVIDIA's packages in place of the CPU library. */
  readonly gpu: boolean;
  /** Install again even when a finished install is there. */
  readonly force?: boolean;
  readonly onStep?: OnStep | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes sure the runtime is in the cache folder; for a TensorFlow of the user's own, our addons for it.
 * @throws RuntimeError with one line and a fix: no Python, pip or compiler, offline, refused,
 *   wrong digest, disk full, no library for this platform, a library that does not run here.
 */
export async function installRuntime(
  options: InstallOptions & Pick<BuildOptions, 'prove'>,
): Promise<InstalledRuntime> {
  const libraryDir = ownLibraryDir();
  if (libraryDir === undefined) {
    return installRecipe(recipeForThisMachine(options.gpu), options);
  }
  const platform = platformKey();
  const dir = ownRuntimeDir(libraryDir);
  const build = async () => {
    const find = async () => ({ addons: await findAddonMaker(platform, libraryDir) });
    const { addons } = await findTools(options, find);
    return () => buildOwnRuntime(libraryDir, dir, platform, addons, options);
  };
  return install({ dir, libraryDir, platform, build }, options);
}

/** @internal `installRuntime` for a given recipe: tests have a tiny one. */
export async function installRecipe(
  recipe: RuntimeRecipe,
  options: BuildOptions & { force?: boolean },
): Promise<InstalledRuntime> {
  const { kind, platform } = recipe;
  const dir = runtimeDir(kind, platform);
  const build = async () => {
    const tools = await findTools(
      options,
      async (): Promise<Tools> => ({
        pip: await findPip(),
        addons: await findAddonMaker(platform),
      }),
    );
    return () => buildRuntime(recipe, dir, tools, options);
  };
  return install({ dir, platform, build }, options);
}

interface Plan extends AddonTarget {
  readonly platform: PlatformKey;
  /** Looks for the tools. @returns what builds with them, once the lock is held */
  readonly build: () => Promise<() => Promise<InstalledRuntime>>;
}

async function install(
  plan: Plan,
  options: BuildOptions & { force?: boolean },
): Promise<InstalledRuntime> {
  const { dir } = plan;
  const existing = options.force ? undefined : await readRuntime(dir);
  try {
    if (existing) return { ...(await bringUpToDate(existing, plan, options)), probe: undefined };
    const build = await plan.build();
    const lock = await lockSetup(options);
    try {
      // The process that held the lock may just have finished it.
      const meanwhile = options.force ? undefined : await readRuntime(dir);
      if (meanwhile) return { runtime: meanwhile, probe: undefined };
      await removeLeftovers();
      return await build();
    } finally {
      await lock.release();
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    throw asRuntimeError(error, dirname(dir));
  }
}

function findTools<T extends { addons: AddonMaker; pip?: Pip }>(
  { onStep }: BuildOptions,
  find: () => Promise<T>,
): Promise<T> {
  return reportStep(onStep, 'tools', 'looking for pip and addons', find, (tools) =>
    [tools.pip?.version, tools.addons.version].filter(Boolean).join(', '),
  );
}

/** An install of an earlier version lacks a link, or this one's operations: one compiler call. */
async function bringUpToDate(
  runtime: TensorFlowRuntime,
  { dir, libraryDir, platform }: Plan,
  options: BuildOptions,
): Promise<Pick<InstalledRuntime, 'runtime' | 'withoutOperations'>> {
  const isOurs = libraryDir === undefined;
  if (isOurs && runtime.kind === 'gpu' && (await linkLibraries(dir))) {
    const { prove = probeRuntime, signal } = options;
    const asked = { hideGpu: true, libraries: GPU_LIBRARIES, ...(signal && { signal }) };
    checkOpened((await prove(runtime, asked)).unopened);
  }
  if (!hasOperations(platform) || runtime.operationsPath !== undefined) return { runtime };
  const addons = await findAddonMaker(platform, libraryDir).catch((error: unknown) => {
    if (error instanceof RuntimeError) return error;
    throw error;
  });
  if (addons instanceof RuntimeError) return { runtime, withoutOperations: addons.message };
  const lock = await lockSetup(options);
  try {
    return await addOperations(runtime, { dir, libraryDir }, addons, options);
  } finally {
    await lock.release();
  }
}

/** One setup at a time for a cache folder: it spares double work, no more; a finished install is whole by its rename. */
async function lockSetup({ onStep, signal }: BuildOptions): Promise<FileLock> {
  const started = performance.now();
  let waited = false;
  const report = (state: 'start' | 'done', detail: string) =>
    onStep?.({ name: 'wait', state, ms: performance.now() - started, detail });
  const onWait = ({ pid, host }: Holder) => {
    waited = true;
    const owner = `process ${pid} on ${host.split(' ')[0]}`;
    report('start', `another setup is running (${owner}): waiting for it`);
  };
  makePrivateFolder(runtimesDir());
  const lock = await waitForLock(join(runtimesDir(), 'setup.lock'), { signal, onWait });
  if (waited) report('done', 'the other setup has ended');
  return lock;
}

/** Errors of the file system become one line with a fix; ours and unknown ones stay. */
function asRuntimeError(error: unknown, folder: string): unknown {
  const code = errnoOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return diskFullError(`installing into ${folder}`, error);
  }
  // Node's recursive mkdir says ENOENT on a file system that is read-only.
  if (!['EACCES', 'EROFS', 'EPERM', 'ENOTDIR', 'EEXIST', 'ENOENT'].includes(code ?? '')) {
    return error;
  }
  return new RuntimeError(`Expected a folder to write into for ${folder} but found ${code}.`, {
    fix: 'Set IMG2FEATURES_CACHE to a folder of yours.',
    cause: error,
  });
}

function platformKey(): PlatformKey {
  const { key, name, reason } = runtimePlatform();
  if (key !== undefined) return key;
  throw new RuntimeError(
    `Expected a machine TensorFlow has a library for but found ${name}: ${reason}.`,
    { fix: 'Use --device wasm, which runs anywhere.' },
  );
}

function recipeForThisMachine(gpu: boolean): RuntimeRecipe {
  const platform = platformKey();
  const recipe = runtimeRecipe(gpu ? 'gpu' : 'cpu', platform);
  if (!recipe) {
    throw new RuntimeError(`Expected Linux x86-64 for the CUDA library but found ${platform}.`, {
      fix: 'Run `img2features setup` without --gpu.',
    });
  }
  return recipe;
}

/** Only with the lock held: the processes that made these have ended. */
async function removeLeftovers(): Promise<void> {
  const names = await readdir(runtimesDir()).catch(() => []);
  const leftovers = names.filter((name) => isHiddenName(name) || /\.tmp-\d+-[0-9a-f]+$/.test(name));
  await Promise.all([
    ...leftovers.map((name) => rm(join(runtimesDir(), name), { recursive: true, force: true })),
    removeKilledDownloads(downloadsDir()),
  ]);
}
