import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../runtime/run-command.ts';

export interface Cpu {
  readonly model: string;
  /** Cores that this process may use, as Node sees them. */
  readonly cores: number;
  /** Cores' worth of time that a container allows; undefined without a limit. */
  readonly quota: number | undefined;
  /** What of INSTRUCTIONS it has, in that order; undefined where the system does not say. */
  readonly instructions: readonly string[] | undefined;
}

/** What makes a difference to the kernels: our name, Linux' flag, macOS' flag. */
const INSTRUCTIONS: readonly (readonly [name: string, linux: string, mac: string])[] = [
  ['AVX', 'avx', 'hw.optional.avx1_0'],
  ['AVX2', 'avx2', 'hw.optional.avx2_0'],
  ['FMA', 'fma', 'hw.optional.fma'],
  ['AVX512F', 'avx512f', 'hw.optional.avx512f'],
  ['AVX512_VNNI', 'avx512_vnni', 'hw.optional.avx512vnni'],
  ['AVX512_BF16', 'avx512_bf16', ''],
  ['AMX_TILE', 'amx_tile', ''],
  ['AMX_BF16', 'amx_bf16', ''],
  ['NEON', 'asimd', 'hw.optional.neon'],
  ['BF16', 'bf16', 'hw.optional.arm.FEAT_BF16'],
];

/** @param root where /proc and /sys are; tests have their own */
export async function readCpu(root = '/'): Promise<Cpu> {
  const cpuinfo = readText(join(root, 'proc/cpuinfo'));
  return {
    model: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    quota: readQuota(root),
    instructions: cpuinfo === undefined ? await macInstructions() : linuxInstructions(cpuinfo),
  };
}

/** From the `flags` (x86) or `Features` (ARM) of /proc/cpuinfo; undefined when it has neither. */
export function linuxInstructions(cpuinfo: string): string[] | undefined {
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1];
  if (line === undefined) return undefined;
  const flags = new Set(line.split(/\s+/));
  return INSTRUCTIONS.filter(([, linux]) => flags.has(linux)).map(([name]) => name);
}

async function macInstructions(): Promise<string[] | undefined> {
  if (process.platform !== 'darwin') return undefined;
  const { status, stdout } = await runCommand('sysctl', ['hw.optional'], { timeoutMs: 5000 });
  if (status !== 0) return undefined;
  return INSTRUCTIONS.filter(([, , mac]) => mac !== '' && stdout.includes(`${mac}: 1`)).map(
    ([name]) => name,
  );
}

/** The limit of a container: control groups of version 2, then of version 1. */
function readQuota(root: string): number | undefined {
  const [most, period] = (readText(join(root, 'sys/fs/cgroup/cpu.max')) ?? '').trim().split(' ');
  if (Number(most) > 0 && Number(period) > 0) return Number(most) / Number(period);
  const quota = Number(readText(join(root, 'sys/fs/cgroup/cpu/cpu.cfs_quota_us')));
  const perPeriod = Number(readText(join(root, 'sys/fs/cgroup/cpu/cpu.cfs_period_us')));
  return quota > 0 && perPeriod > 0 ? quota / perPeriod : undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // not Linux, or hidden from this process
  }
}
