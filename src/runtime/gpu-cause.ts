/** Why TensorFlow uses no GPU, as its own log says it, and what to do then. */

/** The environment in which TensorFlow says what it opens and why it cannot. */
export const GPU_LOG = { TF_CPP_MIN_LOG_LEVEL: '0', TF_CPP_VMODULE: 'dso_loader=1' } as const;

export interface GpuCause {
  /** A clause: what was found. */
  readonly found: string;
  readonly fix: string;
}

/** The fix where the library does not say why it uses no GPU. */
export const SILENT_CAUSE: GpuCause = {
  found: 'it does not say why',
  fix: 'Update the NVIDIA driver (CUDA 12 needs 525.60 or newer), or use --device cpu.',
};

export const DRIVER_LIBRARY_FIX =
  "In a container set NVIDIA_DRIVER_CAPABILITIES=compute,utility, else install NVIDIA's driver whole; or use --device auto.";

/** The fix for a GPU that TensorFlow 2.21's CUDA library has no code for. */
export const NO_CODE_FIX =
  'Name a TensorFlow that was built for it in IMG2FEATURES_TENSORFLOW (docs/gpu.md), or use --device cpu.';

/**
 * The cause in what the library printed while it loaded, with `GPU_LOG` in its environment, e.g. the libraries that
 * it could not open and why; undefined when it said nothing about GPUs.
 */
export function gpuCause(log: string): GpuCause | undefined {
  const unopened = [...log.matchAll(UNOPENED)].map(([, name = '', reason = '']) => ({
    name,
    reason: reason.replace(`${name}: `, '').trim(),
  }));
  if (unopened.length > 0) {
    const names = [...new Set(unopened.map(({ name }) => name))];
    const isDrivers = names.some((name) => /^lib(cuda|nvidia-ml)\.so/.test(name));
    return {
      found: `${names.join(' and ')} could not be opened (${unopened[0].reason})`,
      fix: isDrivers
        ? DRIVER_LIBRARY_FIX
        : "Run `img2features setup --gpu --force`; for a TensorFlow of your own, install NVIDIA's package that holds it.",
    };
  }
  const init = /failed call to cuInit: (?:INTERNAL: )?(?:CUDA error: )?([^\n]+)/i.exec(log);
  if (init) {
    return {
      found: `CUDA did not start: ${init[1].trim()}`,
      fix: 'Run `nvidia-smi`: it has to list the GPU. After an update of the driver restart the machine; where GPUs are joined by NVSwitch start nvidia-fabricmanager.',
    };
  }
  const ignored = /Ignoring visible gpu device [^\n]*/.exec(log);
  if (ignored) return { found: `it says: ${ignored[0]}`, fix: NO_CODE_FIX };
  const capability =
    /not built with CUDA kernel binaries compatible with compute capability (\S+?)\.? /;
  const built = capability.exec(log);
  return built === null
    ? undefined
    : { found: `it has no code for compute capability ${built[1]}`, fix: NO_CODE_FIX };
}

const UNOPENED = /Could not load dynamic library '([^']+)'; dlerror: ([^\n;]+)/g;
