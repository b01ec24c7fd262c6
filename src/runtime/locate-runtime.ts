/** What TensorFlow could run on here: libraries in the cache, the user's own library, a driver. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { RuntimeError } from '../errors.ts';
import { findGpuDriver, type GpuDriver } from './gpus.ts';
import { findOwnRuntime } from './own-runtime.ts';
import { probeRuntime } from './probe-runtime.ts';
import { type RuntimePlatform, runtimePlatform } from './runtime-platform.ts';
import { readRuntime, runtimeDir } from './runtime-record.ts';
import type { TensorFlowRuntime } from './tensorflow-runtime.ts';

export interface FoundRuntimes {
  readonly platform: RuntimePlatform;
  /** The CPU library that `setup` installed. */
  readonly cpu?: TensorFlowRuntime | undefined;
  /** The CUDA library that `setup --gpu` installed. */
  readonly gpu?: TensorFlowRuntime | undefined;
  /** An `@tensorflow/tfjs-node-gpu` in node_modules that loads. */
  readonly installedGpuPackage?: TensorFlowRuntime | undefined;
  /** What IMG2FEATURES_TENSORFLOW names: it is preferred to all others, or is the error that says why it cannot be used. */
  readonly own?: TensorFlowRuntime | RuntimeError | undefined;
  readonly driver: GpuDriver;
}

/** Looks at this machine; changes nothing and takes a few milliseconds. */
export async function locateRuntime(): Promise<FoundRuntimes> {
  const platform = runtimePlatform();
  const { key } = platform;
  const [cpu, gpu, own, driver] = await Promise.all([
    key && readRuntime(runtimeDir('cpu', key)),
    key && readRuntime(runtimeDir('gpu', key)),
    findOwnRuntime(),
    findGpuDriver(),
  ]);
  // It can only be better than the cache where there is a GPU, and trying it takes a second.
  const installedGpuPackage = driver.present
    ? await findGpuPackage(undefined, driver.libraryDirs)
    : undefined;
  return {
    platform,
    cpu,
    gpu: gpu && withDriver(gpu, driver),
    installedGpuPackage,
    own: own instanceof RuntimeError ? own : own && withDriver(own, driver),
    driver,
  };
}

function withDriver(runtime: TensorFlowRuntime, driver: GpuDriver): TensorFlowRuntime {
  const libraryDirs = [...(runtime.libraryDirs ?? []), ...(driver.libraryDirs ?? [])];
  return { ...runtime, libraryDirs };
}

const PACKAGE = '@tensorflow/tfjs-node-gpu';

/**
 * A tfjs-node-gpu that the user installed is used unchanged: it is looked for from the working folder, then from this
 * program, and tried in a process of its own, as with today's Node and CUDA most installs of it do not load.
 */
export async function findGpuPackage(
  cwd: string = process.cwd(),
  libraryDirs: readonly string[] = [],
): Promise<TensorFlowRuntime | undefined> {
  const resolved = resolveGpuPackage([pathToFileURL(join(cwd, 'x')).href, import.meta.url]);
  if (!resolved) return undefined;
  const candidate = { ...resolved, ...(libraryDirs.length > 0 && { libraryDirs }) };
  const probe = await probeRuntime(candidate).catch(() => undefined);
  if (probe?.device !== 'cuda') return undefined;
  return { ...candidate, tensorflow: probe.tensorflow };
}

/** The first package found from one of `parents` that has its addon, not yet tried. */
export function resolveGpuPackage(parents: readonly string[]): TensorFlowRuntime | undefined {
  for (const parent of parents) {
    const manifest = resolveFrom(parent, `${PACKAGE}/package.json`);
    if (!manifest) continue;
    const packageDir = dirname(manifest);
    const bindingPath = findAddon(packageDir);
    if (!bindingPath) continue;
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    return {
      kind: 'gpu',
      dir: packageDir,
      packageDir,
      bindingPath,
      tensorflow: `of ${PACKAGE} ${version}`,
    };
  }
  return undefined;
}

function resolveFrom(parent: string, specifier: string): string | undefined {
  try {
    return createRequire(parent).resolve(specifier);
  } catch {
    return undefined;
  }
}

function findAddon(packageDir: string): string | undefined {
  const lib = join(packageDir, 'lib');
  if (!existsSync(lib)) return undefined;
  const addons = readdirSync(lib).map((name) => join(lib, name, 'tfjs_binding.node'));
  return addons.filter(existsSync).sort().at(-1);
}
