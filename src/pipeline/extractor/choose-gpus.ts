import { EngineError } from '../../errors.ts';
import type { ExtractOptions } from '../../options/extract-options.ts';
import { chooseDevice, type DeviceChoice } from '../../runtime/choose-device.ts';
import { listVisibleGpus, pickGpus, type VisibleGpu } from '../../runtime/gpus.ts';
import type { FoundRuntimes } from '../../runtime/locate-runtime.ts';
import type { ExtractorHooks } from './extractor.ts';

export interface ChosenGpus {
  readonly choice: DeviceChoice;
  /** One engine each; one `undefined` = one engine on the device's default. */
  readonly gpus: readonly (VisibleGpu | undefined)[];
}

/**
 * The device, and on CUDA which GPUs. `--gpus` asks for CUDA as `--device cuda` does.
 * @throws EngineError where the device is not available, or a requested GPU does not exist
 */
export function chooseGpus(
  { device, gpus }: Pick<ExtractOptions, 'device' | 'gpus'>,
  found: FoundRuntimes,
  { onEvent }: Pick<ExtractorHooks, 'onEvent'>,
  env: NodeJS.ProcessEnv = process.env,
): ChosenGpus {
  const { driver } = found;
  if (gpus === undefined) {
    const choice = chooseDevice(device, found);
    const isThere = driver.devices.length > 0 && driver.missing !== 'visibility';
    if (device === 'auto' && choice.device !== 'cuda' && isThere) {
      onEvent(idleGpuWarning(choice.reason));
    }
    return { choice, gpus: [undefined] };
  }
  if (!driver.present) {
    throw new EngineError(`Expected a GPU for --gpus ${gpus} but found ${driver.detail}.`, {
      fix: 'Leave --gpus out: --device auto then takes the CPU.',
    });
  }
  const picked = pickGpus(gpus, listVisibleGpus(driver, env));
  const choice = chooseDevice('cuda', found, picked);
  const names = [...new Set(picked.map(({ name }) => name))];
  if (names.length > 1) {
    const message = `The GPUs differ (${names.join(', ')}): the last bits of a row can depend on which of them computes it.`;
    onEvent({ event: 'warning', message });
  }
  const reason = `asked for with --gpus ${gpus}: ${driver.detail}`;
  return { choice: { ...choice, reason }, gpus: picked };
}

/** A GPU is there, and `auto` computes without it. */
export function idleGpuWarning(reason: string) {
  return { event: 'warning', message: `The GPU is idle: ${reason}` } as const;
}
