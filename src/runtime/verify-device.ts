/** Whether the loaded library really uses the device that was chosen. */
import { EngineError } from '../errors.ts';
import type { DeviceChoice } from './choose-device.ts';
import type { TfNode } from './tensorflow-js.ts';

/**
 * Asks TensorFlow, once it is loaded, which device it computes on.
 * @returns the choice as it is; for `auto`, a downgrade to `cpu` whose reason says why.
 * @throws EngineError when `--device cuda` was asked for and TensorFlow found no usable GPU.
 */
export function verifyDevice(tf: TfNode, choice: DeviceChoice): DeviceChoice {
  if (choice.device !== 'cuda') return choice;
  const backend = tf.backend() as unknown as { isUsingGpuDevice: boolean };
  if (backend.isUsingGpuDevice) return choice;
  const found = `TensorFlow ${choice.runtime?.tensorflow} sees no GPU it can use`;
  if (choice.explicit) {
    throw new EngineError(`Expected a GPU for --device cuda but ${found} (${choice.reason}).`, {
      fix: 'Update the NVIDIA driver (CUDA 12 needs 525.60 or newer), or use --device cpu.',
    });
  }
  return { ...choice, device: 'cpu', reason: `${found} (${choice.reason})` };
}

/**
 * The cause in what the library printed while it loaded (the caller has captured it), e.g.
 * "failed call to cuInit: …", or undefined when it said nothing about GPUs.
 */
export function gpuCause(log: string): string | undefined {
  const library = /Could not load dynamic library '([^']+)'/.exec(log);
  if (library) return `the library ${library[1]} could not be loaded`;
  const init = /failed call to cuInit: (?:INTERNAL: )?(?:CUDA error: )?([^\n]+)/i.exec(log);
  if (init) return `CUDA did not start: ${init[1]!.trim()}`;
  return /Cannot dlopen some GPU libraries/.test(log)
    ? "NVIDIA's libraries could not be loaded"
    : undefined;
}
