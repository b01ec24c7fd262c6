/** What TensorFlow could run on here: libraries in the cache, the user's own library, a driver. */
import { RuntimeError } from '../errors.ts';
import { findGpuDriver, type GpuDriver } from './find-gpu-driver.ts';
import { findGpuPackage } from './find-gpu-package.ts';
import { findOwnRuntime } from './own-runtime.ts';
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
