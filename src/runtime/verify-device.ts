/** Whether the loaded library really uses the device that was chosen. */
import { EngineError } from '../errors.ts';
import type { DeviceChoice } from './choose-device.ts';
import type { TfNode } from './tensorflow-js.ts';

/** TensorFlow was to use a GPU and uses none. Only the reader of its process's output can say why. */
export class GpuUnused extends EngineError {}

/**
 * Asks TensorFlow, once it is loaded, which device it computes on.
 * @returns the choice as it is; for `auto`, a downgrade to `cpu`.
 * @throws GpuUnused when `--device cuda` was asked for and TensorFlow found no usable GPU.
 */
export function verifyDevice(tf: TfNode, choice: DeviceChoice): DeviceChoice {
  if (choice.device !== 'cuda') return choice;
  const backend = tf.backend() as unknown as { isUsingGpuDevice: boolean };
  if (backend.isUsingGpuDevice) return choice;
  const reason = `TensorFlow ${choice.runtime?.tensorflow} uses no GPU (${choice.reason})`;
  if (!choice.explicit) return { ...choice, device: 'cpu', reason };
  throw new GpuUnused(`Expected a GPU for --device cuda but found that ${reason}.`);
}
