/** What TensorFlow could run on here: libraries in the cache, an installed GPU package, a driver. */
import { findGpuDriver, type GpuDriver } from './find-gpu-driver.ts';
import { findGpuPackage } from './find-gpu-package.ts';
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
  readonly driver: GpuDriver;
}

/** Looks at this machine; changes nothing and takes a few milliseconds. */
export async function locateRuntime(): Promise<FoundRuntimes> {
  const platform = runtimePlatform();
  const { key } = platform;
  const [cpu, gpu, driver] = await Promise.all([
    key && readRuntime(runtimeDir('cpu', key)),
    key && readRuntime(runtimeDir('gpu', key)),
    findGpuDriver(),
  ]);
  // It can only be better than the cache where there is a GPU, and asking it takes a second.
  const installedGpuPackage = driver.present ? await findGpuPackage() : undefined;
  return { platform, cpu, gpu, installedGpuPackage, driver };
}
