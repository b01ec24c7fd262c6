import { capabilityOf, runNvidiaSmi } from '../runtime/find-gpu-driver.ts';
import type { CommandResult } from '../runtime/run-command.ts';

export interface Gpu {
  readonly name: string;
  readonly memoryBytes: number | undefined;
  readonly freeBytes: number | undefined;
  /** e.g. "9.0". */
  readonly computeCapability: string | undefined;
}

export interface GpuQuery {
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
