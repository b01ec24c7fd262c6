import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { whyNoSharedMemory } from '../engine/batch-memory.ts';
import { whyNoNativeJpeg } from '../image/jpeg/direct-decoder.ts';
import { whyNoKernels } from '../reduce/kernels.ts';
import { runCommand } from '../runtime/run-command.ts';
import { isAtLeast } from '../runtime/runtime-platform.ts';
import { formatBytes, plural } from '../terminal/units.ts';
import { type Check, makeCheck } from './check.ts';

/** End of life of each release line of Node (github.com/nodejs/release); odd lines are supported for half a year. */
const END_OF_LIFE: Readonly<Record<number, string>> = {
  20: '2026-04-30',
  21: '2024-06-01',
  22: '2027-04-30',
  23: '2025-06-01',
  24: '2028-04-30',
  25: '2026-06-01',
  26: '2029-04-30',
};
const OLDEST = '20.19';

export interface NodeFacts {
  /** Without its "v". */
  readonly version: string;
  readonly platform: string;
  readonly arch: string;
  readonly now: Date;
}

/** Node's version: new enough for this program, and not past its end of life. */
export function checkNode(
  { version, platform, arch, now }: NodeFacts = {
    version: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    now: new Date(),
  },
): Check {
  const major = Number.parseInt(version, 10);
  const endOfLife = END_OF_LIFE[major];
  const isEnded = endOfLife !== undefined && now >= new Date(endOfLife);
  const isTooOld = !isAtLeast(version, OLDEST);
  const life = endOfLife === undefined || isEnded ? '' : `, maintained until ${endOfLife}`;
  return makeCheck('node', {
    summary: `${version} on ${platform}-${arch}${life}`,
    findings: [
      isTooOld && {
        severity: 'problem',
        message: `Node ${version} is older than ${OLDEST}, the oldest that is supported.`,
        fix: 'Install Node 22 or 24.',
      },
      !isTooOld &&
        isEnded && {
          severity: 'note',
          message: `Node ${major} works here, but its end of life was on ${endOfLife}.`,
          fix: 'Install Node 22 or 24 when convenient; nothing needs to be built again.',
        },
    ],
    facts: {
      version,
      platform,
      arch,
      supported: !isTooOld,
      endOfLife,
      maintained: endOfLife === undefined ? undefined : !isEnded,
    },
  });
}

/** The processor: cores, instructions that the kernels use, and who else is using it. */
export function checkCpu(
  cpu: Cpu,
  load: number = loadavg()[0] ?? 0,
  // Why something slower does what an addon of ours could; null where it does not.
  without: Record<'kernels' | 'jpeg' | 'memory', string | null> = {
    kernels: whyNoKernels() ?? null,
    jpeg: whyNoNativeJpeg() ?? null,
    memory: whyNoSharedMemory() ?? null,
  },
): Check {
  const { model, cores, quota, instructions } = cpu;
  const lacksAvx2 =
    instructions !== undefined && process.arch === 'x64' && !instructions.includes('AVX2');
  const known =
    instructions === undefined
      ? 'instructions not known'
      : instructions.join(' ') || 'no vector instructions';
  return makeCheck('cpu', {
    summary: `${model}, ${plural(cores, 'core')}`,
    details: [
      `instructions: ${known}`,
      without.kernels === null
        ? 'PCA by AVX2 kernels'
        : `PCA by WebAssembly's kernels, at half the speed and to the same bits: ${without.kernels}`,
      without.jpeg === null
        ? 'JPEG by libjpeg-turbo for this processor'
        : `JPEG by libjpeg-turbo in WebAssembly, at a third of the speed and to the same bits: ${without.jpeg}`,
      without.memory === null
        ? 'pixels to the network in shared memory'
        : `pixels to the network by a file, at a third of the speed: ${without.memory}`,
    ],
    findings: [
      quota !== undefined &&
        quota < cores && {
          severity: 'note',
          message: `The container allows ${Math.round(quota * 10) / 10} of these ${cores} cores: more threads than that only wait.`,
          fix: `Give --workers ${Math.max(1, Math.floor(quota))}, or the container more (docker run --cpus).`,
        },
      lacksAvx2 && {
        severity: 'warning',
        message: 'The CPU has no AVX2: networks run at a fraction of the usual speed.',
        fix: 'Use a machine with AVX2 (Intel since 2013, AMD since 2015), or check that the virtual machine passes it on.',
      },
      load > cores * 0.75 && {
        severity: 'note',
        message: `Other work keeps this machine busy (load ${load.toFixed(1)} on ${cores} cores): speeds below are too low.`,
      },
    ],
    facts: {
      model,
      cores,
      quotaCores: quota,
      loadAverage: Math.round(load * 100) / 100,
      instructions,
      avx2: instructions?.includes('AVX2'),
      avx512: instructions?.includes('AVX512F'),
      amx: instructions?.includes('AMX_TILE'),
      kernels: without.kernels === null ? 'avx2' : 'wasm',
      jpeg: without.jpeg === null ? 'native' : 'wasm',
    },
  });
}

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

interface MemoryFacts {
  readonly totalBytes: number;
  /** What a new process could have. */
  readonly availableBytes: number;
  /** Limit of the container; undefined without one. */
  readonly limitBytes: number | undefined;
}

/** Full VGG16 in batches of 16 on a CPU: 1.24 GB in the engine, 0.3 GB beside it. */
const VGG16_BYTES = 1.6e9;

export function checkMemory(memory: MemoryFacts = readMemory()): Check {
  const { totalBytes, availableBytes, limitBytes } = memory;
  const limit =
    limitBytes === undefined ? '' : `, ${formatBytes(limitBytes)} allowed by the container`;
  return makeCheck('memory', {
    summary: `${formatBytes(availableBytes)} free of ${formatBytes(totalBytes)}${limit}`,
    findings: [
      availableBytes < VGG16_BYTES && {
        severity: 'warning',
        message: `${formatBytes(availableBytes)} are free; a full VGG16 needs about ${formatBytes(VGG16_BYTES)}.`,
        fix: 'Close other programs, give the container more memory, or use --batch 4 or a smaller network (mobilenetv2).',
      },
    ],
    facts: { totalBytes, availableBytes, limitBytes },
  });
}

function readMemory(): MemoryFacts {
  const totalBytes = totalmem();
  const limit = process.constrainedMemory?.() ?? 0;
  // Without a limit it is 0, or on some kernels a number beyond all memory.
  const limitBytes = limit > 0 && limit < totalBytes ? limit : undefined;
  const available = process.availableMemory?.() ?? freemem();
  return { totalBytes, availableBytes: Math.min(available, totalBytes), limitBytes };
}
