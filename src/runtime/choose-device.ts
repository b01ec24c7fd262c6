/** Which device and library a run takes, and why: never a silent fallback. */
import type { Device } from '../engine/engine.ts';
import { EngineError } from '../errors.ts';
import type { FoundRuntimes } from './locate-runtime.ts';
import type { TensorFlowRuntime } from './tensorflow-runtime.ts';

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
 * @throws EngineError naming the cause and the fix when a device was asked for and cannot be had.
 */
export function chooseDevice(requested: 'auto' | Device, found: FoundRuntimes): DeviceChoice {
  switch (requested) {
    case 'wasm':
      return { device: 'wasm', reason: 'asked for with --device wasm', explicit: true };
    case 'cpu':
      return chooseCpu(found);
    case 'cuda':
      return chooseCuda(found);
    case 'auto':
      return chooseBest(found);
  }
}

function chooseCpu(found: FoundRuntimes): DeviceChoice {
  const runtime = found.cpu ?? found.gpu;
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

function chooseCuda(found: FoundRuntimes): DeviceChoice {
  const { driver, platform } = found;
  if (driver.present) {
    const runtime = found.installedGpuPackage ?? found.gpu;
    if (runtime) {
      const reason = `asked for with --device cuda: ${driver.detail}`;
      return { device: 'cuda', reason, runtime, explicit: true };
    }
    if (!hasCudaLibrary(found)) {
      throw cudaError(`found no CUDA library for ${platform.name}`, 'Use --device cpu.');
    }
    const library = found.cpu
      ? 'only the CPU library is set up'
      : "TensorFlow's CUDA library is not set up";
    throw cudaError(`found ${driver.detail}, but ${library}`, 'Run `img2features setup --gpu`.');
  }
  const fix = hasCudaLibrary(found)
    ? `Install NVIDIA's driver or make the GPU visible${found.gpu ? '' : ', then run `img2features setup --gpu`'}; or use --device auto.`
    : 'Use --device cpu: CUDA runs on Linux x86-64 only.';
  throw cudaError(`found ${driver.detail}`, fix);
}

function chooseBest(found: FoundRuntimes): DeviceChoice {
  const { driver, platform, cpu, gpu, installedGpuPackage } = found;
  const cuda = installedGpuPackage ?? gpu;
  if (driver.present && cuda) {
    return { device: 'cuda', reason: driver.detail, runtime: cuda, explicit: false };
  }
  const runtime = cpu ?? gpu;
  if (runtime) {
    return { device: 'cpu', reason: whyNotCuda(found), runtime, explicit: false };
  }
  const why = platform.reason
    ? `${platform.reason}: WebAssembly runs instead`
    : "TensorFlow's library is not set up: WebAssembly runs instead, about 8 times slower; `img2features setup` changes that";
  return { device: 'wasm', reason: why, explicit: false };
}

function whyNotCuda(found: FoundRuntimes): string {
  const { driver } = found;
  if (!driver.present) return driver.detail;
  return hasCudaLibrary(found)
    ? `${driver.detail} is here, but only the CPU library is set up; \`img2features setup --gpu\` makes use of it`
    : `no CUDA library for ${found.platform.name}`;
}

/** The CUDA build of TensorFlow 2.21 is published for Linux x86-64 only. */
function hasCudaLibrary(found: FoundRuntimes): boolean {
  return found.platform.key === 'linux-x64';
}

function cudaError(found: string, fix: string): EngineError {
  return new EngineError(`Expected a GPU for --device cuda but ${found}.`, { fix });
}
