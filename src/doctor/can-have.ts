import { chooseDevice, type Device } from '../runtime/choose-device.ts';
import type { FoundRuntimes } from '../runtime/locate-runtime.ts';

/** Whether a run may ask for the device; the checks of the library and of the GPU say why not. */
export function canHave(device: 'auto' | Device, found: FoundRuntimes): boolean {
  try {
    chooseDevice(device, found);
    return true;
  } catch {
    return false;
  }
}
