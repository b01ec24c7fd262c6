/** Which device and library a run takes, and why: never a silent fallback. */
import { EngineError, RuntimeError } from '../errors.ts';
import { DRIVER_LIBRARY_FIX, NO_CODE_FIX } from './gpu-cause.ts';
import { type GpuDriver, lacksCode, listVisibleGpus, type VisibleGpu } from './gpus.ts';
import type { FoundRuntimes } from './locate-runtime.ts';
import { OWN_VARIABLE } from './own-runtime.ts';
import { isAtLeast } from './runtime-platform.ts';
import type { TensorFlowRuntime } from './tensorflow-runtime.ts';

/** What a network runs on: an NVIDIA GPU, the CPU by TensorFlow's library, or the CPU by WebAssembly. */
export type Device = 'cuda' | 'cpu' | 'wasm';

export interface DeviceChoice {
  readonly device: Device;
  /** One sentence for the user and run.json. */
  readonly reason: string;
  /** The library to load; undefined for wasm. */
  readonly runtime?: TensorFlowRuntime | undefined;
  /** True when the user named the device: then another one is an error, not a downgrade. */
  readonly explicit: boolean;
}

/**
 * Chooses from what `locateRuntime` found. `auto` takes CUDA, then the CPU library, then
 * WebAssembly, and says why not the better one.
 * @param gpus that will be used; default: the first visible one
 * @throws EngineError naming the cause and the fix when a requested device is not available; RuntimeError where
 *   the user's own library cannot be used
 */
export function chooseDevice(
  requested: 'auto' | Device,
  found: FoundRuntimes,
  gpus?: readonly VisibleGpu[],
): DeviceChoice {
  if (found.own instanceof RuntimeError && requested !== 'wasm') throw found.own;
  switch (requested) {
    case 'wasm':
      return { device: 'wasm', reason: 'asked for with --device wasm', explicit: true };
    case 'cpu':
      return chooseCpu(found);
    case 'cuda':
      return chooseCuda(found, gpus);
    case 'auto':
      return chooseBest(found);
  }
}

function chooseCpu(found: FoundRuntimes): DeviceChoice {
  const runtime = cpuRuntime(found);
  if (runtime) {
    return { device: 'cpu', reason: 'asked for with --device cpu', runtime, explicit: true };
  }
  const { reason } = found.platform;
  throw new EngineError(
    `Expected TensorFlow's library for --device cpu but found ${reason ?? 'none set up'}.`,
    {
      fix: reason
        ? 'Use --device wasm, which runs anywhere.'
        : 'Run `img2features setup`, or use --device wasm.',
    },
  );
}

function chooseCuda(found: FoundRuntimes, gpus?: readonly VisibleGpu[]): DeviceChoice {
  const problem = cudaProblem(found, gpus);
  if (problem) {
    throw new EngineError(`Expected a GPU for --device cuda but found ${problem.found}.`, {
      fix: problem.fix,
    });
  }
  const reason = `asked for with --device cuda: ${found.driver.detail}`;
  return { device: 'cuda', reason, runtime: cudaRuntime(found), explicit: true };
}

function chooseBest(found: FoundRuntimes): DeviceChoice {
  const problem = cudaProblem(found);
  if (!problem) {
    const { detail } = found.driver;
    return { device: 'cuda', reason: detail, runtime: cudaRuntime(found), explicit: false };
  }
  const runtime = cpuRuntime(found);
  if (runtime) {
    const wasted = found.driver.devices.length > 0;
    const reason = wasted ? `found ${problem.found}: ${problem.fix}` : `found ${problem.found}`;
    return { device: 'cpu', reason, runtime, explicit: false };
  }
  const why = found.platform.reason
    ? `${found.platform.reason}: WebAssembly runs instead`
    : "TensorFlow's library is not set up: WebAssembly runs instead, several times slower; `img2features setup` changes that";
  return { device: 'wasm', reason: why, explicit: false };
}

/** The user's own library is preferred to ours; a package of theirs only where it works. */
function cudaRuntime(found: FoundRuntimes): TensorFlowRuntime | undefined {
  return ownRuntime(found) ?? found.installedGpuPackage ?? found.gpu;
}

function cpuRuntime(found: FoundRuntimes): TensorFlowRuntime | undefined {
  return ownRuntime(found) ?? found.cpu ?? found.gpu;
}

export function ownRuntime({ own }: FoundRuntimes): TensorFlowRuntime | undefined {
  return own instanceof RuntimeError ? undefined : own;
}

/** Why CUDA cannot be used, as far as it is known before the library loads: completes "found …". */
export function cudaProblem(
  found: FoundRuntimes,
  gpus: readonly VisibleGpu[] = listVisibleGpus(found.driver).slice(0, 1),
): { found: string; fix: string } | undefined {
  const { driver, platform } = found;
  if (!driver.present)
    return { found: driver.detail, fix: DRIVER_FIXES[driver.missing ?? 'driver'] };
  const own = ownRuntime(found);
  if (own?.kind === 'cpu') {
    return {
      found: `${driver.detail} with a TensorFlow of your own that was built without CUDA`,
      fix: `Name one with CUDA in ${OWN_VARIABLE}, or unset it.`,
    };
  }
  if (own || found.installedGpuPackage) return undefined;
  // The CUDA build of TensorFlow 2.21 is published for no other.
  if (platform.key !== 'linux-x64') {
    return {
      found: `${driver.detail} and no CUDA library for ${platform.name}`,
      fix: 'Use --device auto: TensorFlow 2.21 has CUDA on Linux x86-64 only.',
    };
  }
  if (!found.gpu) {
    const state = found.cpu ? 'only the CPU library set up' : 'the CUDA library not set up';
    return { found: `${driver.detail} with ${state}`, fix: 'Run `img2features setup --gpu`.' };
  }
  // One of unknown version is left to the library, which will report it.
  if (driver.version !== undefined && !isAtLeast(driver.version, OLDEST_DRIVER)) {
    return {
      found: `${driver.detail}, too old for CUDA 12`,
      fix: `Update the NVIDIA driver to ${OLDEST_DRIVER} or newer.`,
    };
  }
  // Before the library loads: on such a GPU it can end the process.
  const without = gpus.find(lacksCode);
  if (without !== undefined) {
    const { name, capability } = without;
    return {
      found: `${name} with compute capability ${capability}, for which TensorFlow ${found.gpu.tensorflow} has no code (only for 6.0 to 9.x)`,
      fix: NO_CODE_FIX,
    };
  }
  return undefined;
}

const DRIVER_FIXES: Readonly<Record<NonNullable<GpuDriver['missing']>, string>> = {
  driver: "Install NVIDIA's driver (in a container: start it with the GPU), or use --device auto.",
  gpu: 'Give this process the GPU (in a container: `--gpus all`), or use --device auto.',
  library: DRIVER_LIBRARY_FIX,
  visibility: 'Unset CUDA_VISIBLE_DEVICES, or use --device auto.',
  platform: 'Use --device auto.',
};

/** The oldest driver that runs libraries of any CUDA 12 release (minor version compatibility). */
const OLDEST_DRIVER = '525.60';

/** TensorFlow was to use a GPU and uses none. Only the reader of its process's output can say why. */
export class GpuUnused extends EngineError {}

/**
 * Asks TensorFlow, once it is loaded, which device it computes on.
 * @returns the choice as it is; for `auto`, a downgrade to `cpu`.
 * @throws GpuUnused when `--device cuda` was asked for and TensorFlow found no usable GPU.
 */
export function verifyDevice(tf: { backend(): unknown }, choice: DeviceChoice): DeviceChoice {
  if (choice.device !== 'cuda') return choice;
  const backend = tf.backend() as { isUsingGpuDevice: boolean };
  if (backend.isUsingGpuDevice) return choice;
  const reason = `TensorFlow ${choice.runtime?.tensorflow} uses no GPU (${choice.reason})`;
  if (!choice.explicit) return { ...choice, device: 'cpu', reason };
  throw new GpuUnused(`Expected a GPU for --device cuda but found that ${reason}.`);
}
