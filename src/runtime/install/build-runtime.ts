/** From wheels to a finished runtime folder: download, unpack, compile, try, and last the rename. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors.ts';
import { hasOperations } from '../operations.ts';
import { type ProbeResult, probeRuntime } from '../probe-runtime.ts';
import { ADDON_NAME, RECORD_NAME, type RuntimeRecord, readRuntime } from '../runtime-record.ts';
import { tfjsNodeVersion } from '../tensorflow-js.ts';
import { TENSORFLOW_VERSION, type TensorFlowRuntime } from '../tensorflow-runtime.ts';
import { checkFreeSpace } from './check-free-space.ts';
import { type Compiler, compileAddon } from './compile-addon.ts';
import { compileOperations } from './compile-operations.ts';
import { downloadWheel } from './download-wheel.ts';
import { downloadsDir, removeDownloads } from './downloads.ts';
import { extractWheel } from './extract-wheel.ts';
import type { Pip } from './find-pip.ts';
import { type OnStep, reportStep } from './setup-step.ts';
import { wheelMemberTarget } from './wheel-member.ts';
import type { RuntimeRecipe } from './wheels.ts';

export interface Tools {
  readonly pip: Pip;
  readonly compiler: Compiler;
}

export interface BuildOptions {
  readonly onStep?: OnStep | undefined;
  readonly signal?: AbortSignal | undefined;
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
  tools: Tools,
  options: BuildOptions,
): Promise<InstalledRuntime> {
  const { onStep, signal, prove = probeRuntime } = options;
  await mkdir(downloadsDir(), { recursive: true });
  await checkFreeSpace(recipe);
  const temporary = temporaryName(dir);
  await mkdir(temporary);
  try {
    const files = await fetchLibrary(recipe, temporary, tools.pip, options);
    files[ADDON_NAME] = await reportStep(
      onStep,
      'compile',
      `with ${tools.compiler.version}`,
      () => buildAddon(temporary, tools.compiler, signal),
      (bytes) => `${ADDON_NAME}, ${Math.round(bytes / 1000)} kB`,
    );
    const runtime = describeRuntime(recipe, temporary);
    const { withoutOperations } = hasOperations(recipe.platform)
      ? await addOperations(runtime, tools.compiler, options)
      : {};
    const probe = await reportStep(
      onStep,
      'try',
      'loading it and running a convolution',
      () => prove(runtime, signal ? { signal } : {}),
      ({ tensorflow, device }) => `TensorFlow ${tensorflow} on ${device}: conv 3×3 is right`,
    );
    await reportStep(
      onStep,
      'finish',
      dir,
      async () => {
        await writeRecord(recipe, temporary, tools.compiler, files);
        await moveIntoPlace(temporary, dir);
        await removeDownloads(recipe);
      },
      () => dir,
    );
    return {
      runtime: (await readRuntime(dir)) ?? describeRuntime(recipe, dir),
      probe,
      ...(withoutOperations !== undefined && { withoutOperations }),
    };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** The runtime with our own operations; where they do not compile, as it is, and the reason. */
export async function addOperations(
  runtime: TensorFlowRuntime,
  compiler: Compiler,
  { onStep, signal }: BuildOptions,
): Promise<Pick<InstalledRuntime, 'runtime' | 'withoutOperations'>> {
  try {
    const path = await reportStep(
      onStep,
      'compile',
      'operations for the CPU',
      () => compileOperations(runtime.dir, compiler, signal),
      (made) => basename(made),
    );
    return { runtime: { ...runtime, operationsPath: path } };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof RuntimeError)) throw error;
    return { runtime, withoutOperations: error.message };
  }
}

/** A name that `removeLeftovers` knows; on the same disk, so that a rename is enough. */
function temporaryName(dir: string): string {
  return `${dir}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`;
}

async function fetchLibrary(
  recipe: RuntimeRecipe,
  into: string,
  pip: Pip,
  { onStep, signal }: BuildOptions,
): Promise<Record<string, number>> {
  const files: Record<string, number> = {};
  for (const [i, wheel] of recipe.wheels.entries()) {
    const count = recipe.wheels.length > 1 ? ` (${i + 1} of ${recipe.wheels.length})` : '';
    const label = `${wheel.package} ${wheel.version}${count}`;
    const size = `${megabytes(wheel.bytes)} MB`;
    const { path } = await reportStep(
      onStep,
      'download',
      `${label}, ${size}`,
      (progress) => {
        const onBytes = (bytes: number) => progress(`${label}, ${megabytes(bytes)} of ${size}`);
        return downloadWheel(wheel, { pip, downloadsDir: downloadsDir(), onBytes, signal });
      },
      ({ wasThere }) => `${label}, ${wasThere ? 'kept from before' : size}`,
    );
    const written = await reportStep(
      onStep,
      'unpack',
      label,
      () => {
        const target = (member: string) => wheelMemberTarget(member, wheel.package);
        return extractWheel({ path, sha256: wheel.sha256, into, target, signal });
      },
      (sizes) => `${label}, ${megabytes(sum(Object.values(sizes)))} MB on disk`,
    );
    Object.assign(files, written);
  }
  for (const name of Object.keys(files)) {
    if (name.startsWith('tensorflow/include/')) delete files[name]; // goes after compiling
  }
  return files;
}

/** The addon's size in bytes; the headers are not needed any more. */
async function buildAddon(dir: string, compiler: Compiler, signal?: AbortSignal): Promise<number> {
  await compileAddon(dir, compiler, signal);
  await syncToDisk(join(dir, ADDON_NAME));
  await rm(join(dir, 'tensorflow', 'include'), { recursive: true, force: true });
  return (await stat(join(dir, ADDON_NAME))).size;
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
  const old = temporaryName(dir);
  await rename(dir, old).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error;
  });
  await rename(temporary, dir);
  await syncToDisk(dirname(dir));
  await rm(old, { recursive: true, force: true });
}

async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
