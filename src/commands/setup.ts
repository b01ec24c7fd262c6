import { installRuntime } from '../runtime/install/install-runtime.ts';
import type { OnStep } from '../runtime/install/setup-step.ts';
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
  readonly ms: number;
}

/**
 * `img2features setup [--gpu]`: puts the TensorFlow runtime into the cache folder.
 * @throws RuntimeError with one line and a fix
 */
export async function runSetup(options: SetupOptions, onStep?: OnStep): Promise<SetupResult> {
  const started = performance.now();
  const { runtime, probe } = await installRuntime({ ...options, onStep });
  return { runtime, probe, wasInstalled: probe === undefined, ms: performance.now() - started };
}
