import { cudaProblem, type Device } from '../runtime/choose-device.ts';
import { type GpuCause, SILENT_CAUSE } from '../runtime/gpu-cause.ts';
import { capabilityOf, runNvidiaSmi } from '../runtime/gpus.ts';
import type { FoundRuntimes } from '../runtime/locate-runtime.ts';
import type { CommandResult } from '../runtime/run-command.ts';
import { formatBytes } from '../terminal/units.ts';
import { type Check, type Finding, makeCheck } from './check.ts';
import type { TensorFlowState } from './check-tensorflow.ts';

/** The GPU question: is there one, would `--device auto` take it, and if not, what is missing? */
export async function checkGpu(
  found: FoundRuntimes,
  { probe, record }: TensorFlowState,
  requested: 'auto' | Device = 'auto',
  query: () => Promise<GpuQuery> = queryGpus,
): Promise<Check> {
  const { driver } = found;
  const { gpus, driverCuda, driver: named } = await query();
  const cuda = wheelVersion(record, 'nvidia-cuda-runtime-cu12');
  const cudnn = wheelVersion(record, 'nvidia-cudnn-cu12');
  const isUsed = probe?.device === 'cuda';
  const names = gpus.length > 0 ? gpus.map(describe) : driver.devices;
  const version = driver.version ?? named;
  return makeCheck('gpu', {
    summary: summaryOf(names, version, driver.detail),
    details: [
      ...(isUsed ? ['TensorFlow computes on it: --device auto takes it'] : []),
      ...(driverCuda === undefined ? [] : [`the driver runs CUDA up to ${driverCuda}`]),
      ...(cuda === undefined ? [] : [`installed: CUDA ${cuda}, cuDNN ${cudnn ?? 'not known'}`]),
    ],
    findings: isUsed ? [] : [findingOf(found, causeOf(probe), requested === 'cuda')],
    facts: {
      present: driver.present,
      used: isUsed,
      missing: driver.missing,
      driver: version,
      driverCuda,
      cuda,
      cudnn,
      gpus: gpus.map(({ name, memoryBytes, freeBytes, computeCapability }) => ({
        name,
        memoryBytes: memoryBytes ?? null,
        freeBytes: freeBytes ?? null,
        computeCapability: computeCapability ?? null,
      })),
      devices: [...driver.devices],
      cause: probe?.gpuCause?.found,
    },
  });
}

function causeOf(probe: TensorFlowState['probe']): GpuCause {
  if (probe !== undefined) return probe.gpuCause ?? SILENT_CAUSE;
  return {
    found: 'its library does not work here',
    fix: 'Do what the check of TensorFlow says.',
  };
}

function summaryOf(names: readonly string[], version: string | undefined, detail: string): string {
  if (names.length === 0) return `${detail}: networks run on the CPU`;
  return `${names.join('; ')}, driver ${version ?? 'of unknown version'}`;
}

/**
 * No GPU hardware is a note; an idle one is a warning, with what chooseDevice says is missing. Either is
 * a problem where CUDA was asked for.
 */
function findingOf(found: FoundRuntimes, cause: GpuCause, isWanted: boolean): Finding | undefined {
  const { driver } = found;
  const problem = cudaProblem(found);
  if (problem === undefined) {
    const message = `TensorFlow does not use the GPU: ${cause.found}.`;
    return { severity: isWanted ? 'problem' : 'warning', message, fix: cause.fix };
  }
  const { fix } = problem;
  if (isWanted) {
    const message = `Expected a GPU for --device cuda but found ${problem.found}.`;
    return { severity: 'problem', message, fix };
  }
  if (driver.present || driver.devices.length > 0) {
    const message = `The GPU is idle: found ${problem.found}.`;
    return { severity: 'warning', message, fix };
  }
  if (driver.missing === 'platform') return undefined;
  const message = 'Nothing is wrong where there is no GPU; --device cuda is an error here.';
  return { severity: 'note', message, fix };
}

function describe(gpu: GpuQuery['gpus'][number]): string {
  const memory = gpu.memoryBytes === undefined ? '' : `, ${formatBytes(gpu.memoryBytes)}`;
  const capability = gpu.computeCapability && `, compute capability ${gpu.computeCapability}`;
  return `${gpu.name}${memory}${capability ?? ''}`;
}

function wheelVersion(record: TensorFlowState['record'], name: string): string | undefined {
  return record?.wheels.find((wheel) => wheel.package === name)?.version;
}

interface Gpu {
  readonly name: string;
  readonly memoryBytes: number | undefined;
  readonly freeBytes: number | undefined;
  /** e.g. "9.0". */
  readonly computeCapability: string | undefined;
}

interface GpuQuery {
  readonly gpus: readonly Gpu[];
  readonly driver: string | undefined;
  /** The newest CUDA that the driver runs, e.g. "12.4". */
  readonly driverCuda: string | undefined;
}

const FIELDS = 'name,memory.total,memory.free,compute_cap,driver_version';

/** What nvidia-smi says; empty where there is none. */
export async function queryGpus(
  run: (args: readonly string[]) => Promise<CommandResult> = (args) => runNvidiaSmi(args),
): Promise<GpuQuery> {
  const listed = await run([`--query-gpu=${FIELDS}`, '--format=csv,noheader,nounits']);
  if (listed.status !== 0) return { gpus: [], driver: undefined, driverCuda: undefined };
  const rows = listed.stdout
    .trim()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.split(',').map((cell) => cell.trim()));
  const banner = await run([]);
  return {
    gpus: rows.map(([name = '', total, free, capability]) => ({
      name,
      memoryBytes: mebibytes(total),
      freeBytes: mebibytes(free),
      computeCapability: capabilityOf(capability),
    })),
    driver: rows[0]?.[4],
    driverCuda: /CUDA Version:\s*([\d.]+)/.exec(banner.stdout)?.[1],
  };
}

/** "[N/A]" where a device shares the machine's memory. */
function mebibytes(cell: string | undefined): number | undefined {
  return cell !== undefined && /^\d+$/.test(cell) ? Number(cell) * 2 ** 20 : undefined;
}
