/** Which GPUs this process may use, and how one of them is shown alone to a child. */
import { EngineError } from '../errors.ts';
import type { GpuDriver } from './find-gpu-driver.ts';

/** One GPU, by the numbers that CUDA counts in this process: 0 is its first visible one. */
export interface VisibleGpu {
  readonly number: number;
  /** "NVIDIA L4"; a UUID where CUDA_VISIBLE_DEVICES names it by one. */
  readonly name: string;
  /** Compute capability, e.g. "9.0", where it is known. */
  readonly capability?: string | undefined;
  /** Environment that shows a child process this GPU and no other. */
  readonly env: Readonly<Record<string, string>>;
}

/** What `--gpus` asks for; undefined = one GPU, the first. */
export type GpuRequest = 'all' | readonly number[];

/**
 * The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; without it all, in the order of nvidia-smi.
 * @param driver what was found by `findGpuDriver`, whose names come in the order of nvidia-smi
 */
export function listVisibleGpus(
  { devices, capabilities }: Pick<GpuDriver, 'devices' | 'capabilities'>,
  env: NodeJS.ProcessEnv = process.env,
): VisibleGpu[] {
  const shown = env.CUDA_VISIBLE_DEVICES;
  if (shown === undefined) {
    // CUDA would put the fastest first, which is not how nvidia-smi and our names count.
    const order = env.CUDA_DEVICE_ORDER ?? 'PCI_BUS_ID';
    return devices.map((name, number) => ({
      number,
      name,
      capability: capabilities?.[number],
      env: { CUDA_VISIBLE_DEVICES: String(number), CUDA_DEVICE_ORDER: order },
    }));
  }
  const ids = shown.split(',').map((id) => id.trim());
  // CUDA reads the list up to the first entry that names no GPU.
  const end = ids.findIndex(
    (id) => id === '' || (/^[+-]?\d+$/.test(id) && !(Number(id) in devices)),
  );
  return (end === -1 ? ids : ids.slice(0, end)).map((id, number) => ({
    number,
    name: devices[Number(id)] ?? id,
    capability: capabilities?.[Number(id)] ?? onlyOne(capabilities),
    env: { CUDA_VISIBLE_DEVICES: id },
  }));
}

/** A property that all GPUs share is known of one that is named by a UUID, too. */
function onlyOne(capabilities: GpuDriver['capabilities']): string | undefined {
  const all = new Set(capabilities);
  return all.size === 1 ? [...all][0] : undefined;
}

/**
 * Whether TensorFlow 2.21's CUDA library has no code for this GPU: it has machine code for 6.0, 7.0, 8.0, 8.9 and 9.0.
 * On newer GPUs its generated kernels fail, and XLA then ends the process.
 */
export function lacksCode({ capability }: Pick<VisibleGpu, 'capability'>): boolean {
  if (capability === undefined) return false; // the library itself will report it
  const major = Number.parseInt(capability, 10);
  return major < 6 || major > 9;
}

/**
 * The GPUs asked for, in the order asked.
 * @throws EngineError that names the GPUs found when one of them is not there
 */
export function pickGpus(request: GpuRequest, visible: readonly VisibleGpu[]): VisibleGpu[] {
  if (request === 'all' && visible.length > 0) return [...visible];
  const wanted = request === 'all' ? [0] : request;
  return wanted.map((number) => {
    const gpu = visible[number];
    if (gpu !== undefined) return gpu;
    const asked = request === 'all' ? 'all' : request.join(',');
    const found = visible.map((one) => `${one.number} (${one.name})`).join(', ') || 'none';
    throw new EngineError(`Expected GPUs that exist for --gpus ${asked} but found ${found}.`, {
      fix: 'Name GPUs by those numbers, or give --gpus all.',
    });
  });
}
