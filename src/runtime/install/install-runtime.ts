/**
 * Installs a TensorFlow runtime: wheels by pip, the library out of them, one compiler call, a
 * trial run, and last a rename. Until that rename nothing has the name that is looked for, so a
 * killed install leaves only folders that the next one clears away.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors.ts';
import { runtimesDir } from '../cache-dir.ts';
import { type ProbeResult, probeRuntime } from '../probe-runtime.ts';
import { runtimePlatform } from '../runtime-platform.ts';
import {
  ADDON_NAME,
  RECORD_NAME,
  type RuntimeRecord,
  readRuntime,
  runtimeDir,
  tfjsNodeVersion,
} from '../runtime-record.ts';
import { TENSORFLOW_VERSION, type TensorFlowRuntime } from '../tensorflow-runtime.ts';
import { type Compiler, compileAddon, findCompiler } from './compile-addon.ts';
import { downloadWheel } from './download-wheel.ts';
import { extractWheel } from './extract-wheel.ts';
import { findPip, type Pip } from './find-pip.ts';
import { diskFullError } from './pip-error.ts';
import { acquireSetupLock } from './setup-lock.ts';
import { type OnStep, reportStep } from './setup-step.ts';
import { wheelMemberTarget } from './wheel-member.ts';
import { type RuntimeRecipe, runtimeRecipe, wheelFileName } from './wheels.ts';

export interface InstallOptions {
  /** The CUDA library and NVIDIA's packages in place of the CPU library. */
  readonly gpu: boolean;
  /** Install again even when a finished install is there. */
  readonly force?: boolean;
  readonly onStep?: OnStep | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface InstalledRuntime {
  readonly runtime: TensorFlowRuntime;
  /** The trial run; undefined when the install was there already. */
  readonly probe: ProbeResult | undefined;
}

/**
 * Makes sure the runtime is in the cache folder.
 * @throws RuntimeError with one line and a fix: no Python, pip or compiler, offline, refused,
 *   wrong digest, disk full, no library for this platform, a library that does not run here.
 */
export async function installRuntime(options: InstallOptions): Promise<InstalledRuntime> {
  const { gpu, force = false, onStep, signal } = options;
  const recipe = recipeForThisMachine(gpu);
  const dir = runtimeDir(recipe.kind, recipe.platform);
  const existing = force ? undefined : await readRuntime(dir);
  if (existing) return { runtime: existing, probe: undefined };

  let tools!: Tools;
  await reportStep(onStep, 'tools', 'looking for pip and a C++ compiler', async () => {
    tools = { pip: await findPip(), compiler: await findCompiler() };
    return `${tools.pip.version}, ${tools.compiler.version}`;
  });
  const lock = await acquireSetupLock(join(runtimesDir(), 'setup.lock'), {
    signal,
    onWait: ({ pid, host }) =>
      onStep?.({
        name: 'wait',
        state: 'start',
        ms: 0,
        detail: `another setup is at work (process ${pid} on ${host.split(' ')[0]}): waiting for it`,
      }),
  });
  try {
    const meanwhile = force ? undefined : await readRuntime(dir);
    if (meanwhile) return { runtime: meanwhile, probe: undefined };
    await removeLeftovers(runtimesDir());
    return await buildRuntime(recipe, dir, tools, options);
  } catch (error) {
    if (errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT') {
      throw diskFullError(`installing into ${dirname(dir)}`, error);
    }
    throw error;
  } finally {
    await lock.release();
  }
}

interface Tools {
  readonly pip: Pip;
  readonly compiler: Compiler;
}

function recipeForThisMachine(gpu: boolean): RuntimeRecipe {
  const platform = runtimePlatform();
  if (!platform.key) {
    throw new RuntimeError(
      `Expected a machine TensorFlow has a library for but found ${platform.name}: ${platform.reason}.`,
      {
        fix: 'Use --device wasm, which runs anywhere.',
      },
    );
  }
  const recipe = runtimeRecipe(gpu ? 'gpu' : 'cpu', platform.key);
  if (!recipe) {
    throw new RuntimeError(
      `Expected Linux x86-64 for the CUDA library but found ${platform.name}.`,
      {
        fix: 'Run `img2features setup` without --gpu.',
      },
    );
  }
  return recipe;
}

/** Only with the lock held: whoever made these is gone. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const parent of [folder, downloadsDir()]) {
    const names = await readdir(parent).catch(() => []);
    const leftovers = names.filter((name) => /\.tmp-\d+-[0-9a-f]+$/.test(name));
    await Promise.all(
      leftovers.map((name) => rm(join(parent, name), { recursive: true, force: true })),
    );
  }
}

function downloadsDir(): string {
  return join(runtimesDir(), 'downloads');
}

async function buildRuntime(
  recipe: RuntimeRecipe,
  dir: string,
  tools: Tools,
  options: InstallOptions,
): Promise<InstalledRuntime> {
  const { onStep, signal } = options;
  await mkdir(downloadsDir(), { recursive: true });
  await checkFreeSpace(recipe);
  const temporary = `${dir}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`;
  await mkdir(temporary);
  try {
    const files = await fetchLibrary(recipe, temporary, tools.pip, options);
    await reportStep(onStep, 'compile', `with ${tools.compiler.version}`, async () => {
      await compileAddon(temporary, tools.compiler, signal);
      files[ADDON_NAME] = (await stat(join(temporary, ADDON_NAME))).size;
      await rm(join(temporary, 'tensorflow', 'include'), { recursive: true, force: true });
      return ADDON_NAME;
    });
    const runtime = describeRuntime(recipe, temporary);
    let probe!: ProbeResult;
    await reportStep(onStep, 'try', 'loading it and running a convolution', async () => {
      probe = await probeRuntime(runtime, signal ? { signal } : {});
      return `TensorFlow ${probe.tensorflow} on ${probe.device}, 3×3 convolution right`;
    });
    await reportStep(onStep, 'finish', dir, async () => {
      await writeRecord(recipe, temporary, tools.compiler, files);
      await moveIntoPlace(temporary, dir);
      await rm(downloadsDir(), { recursive: true, force: true });
      return dir;
    });
    return { runtime: describeRuntime(recipe, dir), probe };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** All wheels are on disk at once for a moment, and pip copies each one once more. */
async function checkFreeSpace(recipe: RuntimeRecipe): Promise<void> {
  const sizes = recipe.wheels.map((wheel) => wheel.bytes);
  const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
  const needed = total + Math.max(...sizes) + recipe.unpackedBytes;
  const there = await presentBytes(recipe);
  const { bavail, bsize } = await statfs(runtimesDir());
  const free = bavail * bsize;
  if (free + there >= needed) return;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new RuntimeError(
    `Expected ${gigabytes(needed - there)} free in ${runtimesDir()} but found ${gigabytes(free)}.`,
    { fix: 'Free some space or set IMG2FEATURES_CACHE to a folder on a larger disk.' },
  );
}

async function presentBytes(recipe: RuntimeRecipe): Promise<number> {
  const paths = recipe.wheels.map((wheel) => join(downloadsDir(), wheelFileName(wheel)));
  const sizes = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

async function fetchLibrary(
  recipe: RuntimeRecipe,
  into: string,
  pip: Pip,
  { onStep, signal }: InstallOptions,
): Promise<Record<string, number>> {
  const files: Record<string, number> = {};
  const megabytes = (bytes: number) => Math.round(bytes / 1e6);
  for (const [i, wheel] of recipe.wheels.entries()) {
    const count = recipe.wheels.length > 1 ? ` (${i + 1} of ${recipe.wheels.length})` : '';
    const label = `${wheel.package} ${wheel.version}${count}`;
    let path!: string;
    await reportStep(
      onStep,
      'download',
      `${label}, ${megabytes(wheel.bytes)} MB`,
      async (progress) => {
        const onBytes = (bytes: number) =>
          progress(`${label}, ${megabytes(bytes)} of ${megabytes(wheel.bytes)} MB`);
        const downloaded = await downloadWheel(wheel, {
          pip,
          downloadsDir: downloadsDir(),
          onBytes,
          signal,
        });
        path = downloaded.path;
        return `${label}, ${downloaded.wasThere ? 'kept from before' : `${megabytes(wheel.bytes)} MB`}`;
      },
    );
    await reportStep(onStep, 'unpack', label, async () => {
      const target = (member: string) => wheelMemberTarget(member, wheel.package);
      const written = await extractWheel({ path, sha256: wheel.sha256, into, target, signal });
      Object.assign(files, written);
      const bytes = Object.values(written).reduce((sum, size) => sum + size, 0);
      return `${label}, ${megabytes(bytes)} MB on disk`;
    });
  }
  for (const name of Object.keys(files)) {
    if (name.startsWith('tensorflow/include/')) delete files[name]; // goes after compiling
  }
  return files;
}

function describeRuntime(recipe: RuntimeRecipe, dir: string): TensorFlowRuntime {
  const bindingPath = join(dir, ADDON_NAME);
  return { kind: recipe.kind, dir, bindingPath, tensorflow: TENSORFLOW_VERSION };
}

async function writeRecord(
  recipe: RuntimeRecipe,
  dir: string,
  compiler: Compiler,
  files: Record<string, number>,
): Promise<void> {
  const record: RuntimeRecord = {
    format: 1,
    kind: recipe.kind,
    platform: recipe.platform,
    tensorflow: TENSORFLOW_VERSION,
    tfjsNode: tfjsNodeVersion(),
    wheels: recipe.wheels.map(({ package: name, version, sha256 }) => ({
      package: name,
      version,
      sha256,
    })),
    compiler: compiler.version,
    files: Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  await writeFile(join(dir, RECORD_NAME), `${JSON.stringify(record, undefined, 2)}\n`, {
    flush: true,
  });
}

/** A damaged or older install under that name goes first; who runs it keeps its open files. */
async function moveIntoPlace(temporary: string, dir: string): Promise<void> {
  const old = join(
    dirname(dir),
    `${basename(dir)}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`,
  );
  try {
    await rename(dir, old);
    await rm(old, { recursive: true, force: true });
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  await rename(temporary, dir);
  const parent = await open(dirname(dir), 'r');
  await parent.sync().finally(() => parent.close());
}
