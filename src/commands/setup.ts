import { cudaProblem } from '../runtime/choose-device.ts';
import { SILENT_CAUSE } from '../runtime/gpu-cause.ts';
import { installAddons } from '../runtime/install/compile-addon.ts';
import { installRuntime } from '../runtime/install/install-runtime.ts';
import type { OnStep } from '../runtime/install/setup-step.ts';
import { locateRuntime } from '../runtime/locate-runtime.ts';
import type { ProbeResult } from '../runtime/probe-runtime.ts';
import type { TensorFlowRuntime } from '../runtime/tensorflow-runtime.ts';

export interface SetupOptions {
  /** CUDA library and NVIDIA's packages: Linux x86-64 only. */
  readonly gpu: boolean;
  /** Install again even when it is there. */
  readonly force?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface SetupResult {
  readonly runtime: TensorFlowRuntime;
  /** True when a finished install was found and nothing was done. */
  readonly wasInstalled: boolean;
  /** The trial run that closed a new install. */
  readonly probe: ProbeResult | undefined;
  /** What the user should read, e.g. that the CUDA library has no GPU to use here. */
  readonly notice: string | undefined;
  readonly ms: number;
}

/**
 * `img2features setup [--gpu]`: puts our own addons and the TensorFlow runtime into the cache folder.
 * @throws RuntimeError with one line and a fix
 */
export async function runSetup(options: SetupOptions, onStep?: OnStep): Promise<SetupResult> {
  const started = performance.now();
  const withoutAddons = await installAddons({ ...options, onStep });
  const { runtime, probe, withoutOperations } = await installRuntime({ ...options, onStep });
  const notices = [
    options.gpu ? await gpuNotice(runtime, probe) : undefined,
    withoutOperations &&
      `Networks run slower than they could on the CPU, by TensorFlow's own convolutions: ${withoutOperations}`,
    ...withoutAddons,
  ].filter((notice) => notice !== undefined);
  return {
    runtime,
    probe,
    wasInstalled: probe === undefined,
    notice: notices.length > 0 ? notices.join('\n') : undefined,
    ms: performance.now() - started,
  };
}

async function gpuNotice(
  { tensorflow }: TensorFlowRuntime,
  probe: ProbeResult | undefined,
): Promise<string | undefined> {
  if (probe?.device === 'cuda') return undefined;
  const cause = cudaProblem(await locateRuntime()) ?? (probe && (probe.gpuCause ?? SILENT_CAUSE));
  if (cause === undefined) return undefined;
  return `TensorFlow ${tensorflow} uses no GPU here (found ${cause.found}): until it does, it computes on the CPU. ${cause.fix}`;
}
