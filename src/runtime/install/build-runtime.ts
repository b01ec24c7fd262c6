/**
 * Makes a finished runtime folder: wheels downloaded and unpacked, or the user's own library; compile, try, and
 * last the rename.
 */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RuntimeError } from '../../errors.ts';
import { replaceFolder } from '../../files/put-in-place.ts';
import { GPU_LIBRARIES, linkLibraries } from '../gpu-libraries.ts';
import { findGpuDriver, lacksCode, listVisibleGpus } from '../gpus.ts';
import { hasOperations } from '../operations.ts';
import { OWN_VARIABLE, ownLibraryDirs } from '../own-runtime.ts';
import { type ProbeResult, probeRuntime } from '../probe-runtime.ts';
import { isAtLeast, type PlatformKey } from '../runtime-platform.ts';
import {
  ADDON_NAME,
  nvidiaDirs,
  RECORD_NAME,
  type RuntimeRecord,
  readRuntime,
} from '../runtime-record.ts';
import { tfjsNodeVersion } from '../tensorflow-js.ts';
import { TENSORFLOW_VERSION, type TensorFlowRuntime } from '../tensorflow-runtime.ts';
import { makePrivateFolder } from '../trusted-code.ts';
import type { AddonMaker, AddonTarget } from './compile-addon.ts';
import {
  checkFreeSpace,
  downloadsDir,
  type FetchOptions,
  fetchLibrary,
  removeDownloads,
} from './downloads.ts';
import type { Pip } from './pip.ts';
import { reportStep } from './setup-step.ts';
import type { RuntimeRecipe } from './wheels.ts';

export interface Tools {
  readonly pip: Pip;
  readonly addons: AddonMaker;
}

export interface BuildOptions extends FetchOptions {
  /** The trial run; tests have no library to load. */
  readonly prove?: typeof probeRuntime;
}

export interface InstalledRuntime {
  readonly runtime: TensorFlowRuntime;
  /** The trial run; undefined when the install was there already. */
  readonly probe: ProbeResult | undefined;
  /** Why our own operations could not be built: without them networks run slower on the CPU. */
  readonly withoutOperations?: string;
}

/** The caller holds the setup lock. `dir` appears, or is replaced, in one rename. */
export async function buildRuntime(
  recipe: RuntimeRecipe,
  dir: string,
  { pip, addons }: Tools,
  options: BuildOptions,
): Promise<InstalledRuntime> {
  makePrivateFolder(downloadsDir());
  await checkFreeSpace(recipe);
  const { kind, platform, wheels } = recipe;
  const isGpu = kind === 'gpu';
  return build(dir, platform, addons, options, {
    fetch: async (temporary) => {
      const files = await fetchLibrary(recipe, temporary, pip, options);
      if (isGpu) await linkLibraries(temporary);
      return files;
    },
    describe: async (temporary) => ({
      ...describeRuntime(temporary),
      kind,
      tensorflow: TENSORFLOW_VERSION,
      ...(isGpu && { libraryDirs: await nvidiaDirs(temporary) }),
    }),
    check: (probe) => checkOpened(probe.unopened),
    libraries: isGpu ? GPU_LIBRARIES : [],
    wheels,
    finish: () => removeDownloads(recipe),
  });
}

/** The same for a TensorFlow of the user's own: only our addons are made. */
export async function buildOwnRuntime(
  libraryDir: string,
  dir: string,
  platform: PlatformKey,
  addons: AddonMaker,
  options: BuildOptions,
): Promise<InstalledRuntime> {
  makePrivateFolder(dirname(dir));
  return build(dir, platform, addons, options, {
    libraryDir,
    fetch: async () => ({}),
    describe: async (temporary) => ({
      ...describeRuntime(temporary),
      kind: await kindOf(libraryDir),
      tensorflow: 'of your own',
      libraryDirs: await ownLibraryDirs(libraryDir),
    }),
    check: ({ tensorflow }) => checkVersion(tensorflow, libraryDir),
    libraries: [],
    wheels: [],
    finish: async () => {},
  });
}

/** Where the two ways to a runtime differ. */
interface Plan extends Pick<AddonTarget, 'libraryDir'> {
  /** Fills the folder. @returns sizes of the files that stay in it */
  readonly fetch: (temporary: string) => Promise<Record<string, number>>;
  readonly describe: (temporary: string) => Promise<TensorFlowRuntime>;
  /** Throws where the library that was tried cannot be used. */
  readonly check: (probe: ProbeResult) => void;
  /** That have to open. */
  readonly libraries: readonly string[];
  readonly wheels: RuntimeRecord['wheels'];
  readonly finish: () => Promise<void>;
}

async function build(
  dir: string,
  platform: PlatformKey,
  addons: AddonMaker,
  options: BuildOptions,
  plan: Plan,
): Promise<InstalledRuntime> {
  // A damaged or older install under that name steps aside; who runs it keeps its open files.
  const { runtime, ...made } = await replaceFolder(dir, {
    overwrite: true,
    fill: (temporary) => fillRuntime(temporary, platform, addons, options, plan),
  });
  await reportStep(options.onStep, 'finish', dir, plan.finish, () => dir);
  return {
    runtime: (await readRuntime(dir)) ?? { ...runtime, ...describeRuntime(dir) },
    ...made,
  };
}

/** @param temporary the empty folder that becomes the runtime's */
async function fillRuntime(
  temporary: string,
  platform: PlatformKey,
  addons: AddonMaker,
  options: BuildOptions,
  plan: Plan,
): Promise<InstalledRuntime & { readonly probe: ProbeResult }> {
  const { onStep, signal, prove = probeRuntime } = options;
  const files = await plan.fetch(temporary);
  const target = { dir: temporary, libraryDir: plan.libraryDir };
  files[ADDON_NAME] = await reportStep(
    onStep,
    'compile',
    `with ${addons.version}`,
    () => buildAddon(target, addons, signal),
    (bytes) => `${ADDON_NAME}, ${Math.round(bytes / 1000)} kB`,
  );
  const runtime = await plan.describe(temporary);
  const { withoutOperations } = hasOperations(platform)
    ? await addOperations(runtime, target, addons, options)
    : {};
  const probe = await reportStep(
    onStep,
    'try',
    'loading it and running a convolution',
    () => tryRuntime(runtime, plan, prove, signal),
    ({ tensorflow, device }) => `TensorFlow ${tensorflow} on ${device}: conv 3×3 is right`,
  );
  const record: RuntimeRecord = {
    format: 1,
    kind: runtime.kind,
    platform,
    tensorflow: plan.libraryDir === undefined ? TENSORFLOW_VERSION : probe.tensorflow,
    tfjsNode: tfjsNodeVersion(),
    wheels: plan.wheels.map(({ package: name, version, sha256 }) => ({
      package: name,
      version,
      sha256,
    })),
    compiler: addons.version,
    files: Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  const text = `${JSON.stringify(record, undefined, 2)}\n`;
  await writeFile(join(temporary, RECORD_NAME), text, { flush: true });
  return { runtime, probe, ...(withoutOperations !== undefined && { withoutOperations }) };
}

/** Loads the library in a process of its own; on a GPU that it has no code for it would end that process. */
async function tryRuntime(
  runtime: TensorFlowRuntime,
  { libraries, check, libraryDir }: Plan,
  prove: typeof probeRuntime,
  signal: AbortSignal | undefined,
): Promise<ProbeResult> {
  const { kind, libraryDirs = [] } = runtime;
  const driver = kind === 'gpu' ? await findGpuDriver() : undefined;
  const gpu = driver && listVisibleGpus(driver)[0];
  const hideGpu = libraryDir === undefined && gpu !== undefined && lacksCode(gpu);
  const tried = { ...runtime, libraryDirs: [...libraryDirs, ...(driver?.libraryDirs ?? [])] };
  const probe = await prove(tried, { hideGpu, libraries, ...(signal && { signal }) });
  check(probe);
  return probe;
}

/** @throws RuntimeError that says what the dynamic loader said */
export function checkOpened(unopened: readonly string[]): void {
  if (unopened.length === 0) return;
  throw new RuntimeError(`Expected CUDA's libraries to open but found: ${unopened.join('; ')}.`, {
    fix: 'Run `img2features setup --gpu --force` to install them again.',
  });
}

const OLDEST_OWN = '2.16';

function checkVersion(version: string, libraryDir: string): void {
  if (isAtLeast(version, OLDEST_OWN)) return;
  throw new RuntimeError(
    `Expected TensorFlow ${OLDEST_OWN} or later in ${libraryDir} but found ${version}.`,
    { fix: `Name the folder of a newer one in ${OWN_VARIABLE}.` },
  );
}

/** Only a library for CUDA asks its driver to start. */
async function kindOf(libraryDir: string): Promise<TensorFlowRuntime['kind']> {
  const name = 'libtensorflow_framework.so.2';
  const library = await readFile(join(libraryDir, name)).catch(() => Buffer.of());
  return library.includes('cuInit') ? 'gpu' : 'cpu';
}

/** The runtime with our own operations; where they do not compile, as it is, and the reason. */
export async function addOperations(
  runtime: TensorFlowRuntime,
  target: AddonTarget,
  addons: AddonMaker,
  { onStep, signal }: BuildOptions,
): Promise<Pick<InstalledRuntime, 'runtime' | 'withoutOperations'>> {
  try {
    const path = await reportStep(
      onStep,
      'compile',
      'operations for the CPU',
      () => addons.makeOperations(target, signal),
      (made) => basename(made),
    );
    return { runtime: { ...runtime, operationsPath: path } };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof RuntimeError)) throw error;
    return { runtime, withoutOperations: error.message };
  }
}

/** The addon's size in bytes; headers that we unpacked are not needed any more. */
async function buildAddon(
  target: AddonTarget,
  addons: AddonMaker,
  signal?: AbortSignal,
): Promise<number> {
  const { dir, libraryDir } = target;
  await addons.makeBinding(target, signal);
  if (libraryDir === undefined) {
    await rm(join(dir, 'tensorflow', 'include'), { recursive: true, force: true });
  }
  return (await stat(join(dir, ADDON_NAME))).size;
}

function describeRuntime(dir: string): Pick<TensorFlowRuntime, 'dir' | 'bindingPath'> {
  return { dir, bindingPath: join(dir, ADDON_NAME) };
}
