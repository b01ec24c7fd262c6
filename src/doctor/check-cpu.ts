import { loadavg } from 'node:os';
import { whyNoNativeJpeg } from '../image/jpeg/direct-decoder.ts';
import { whyNoKernels } from '../reduce/kernels.ts';
import { type Check, type Finding, makeCheck } from './check.ts';
import type { Cpu } from './read-cpu.ts';

/** Why WebAssembly does what an addon of ours could; null where it does not. */
export interface WithoutAddons {
  readonly kernels: string | null;
  readonly jpeg: string | null;
}

/** The processor: cores, instructions that the kernels use, and who else is using it. */
export function checkCpu(
  cpu: Cpu,
  load: number = loadavg()[0] ?? 0,
  without: WithoutAddons = { kernels: whyNoKernels() ?? null, jpeg: whyNoNativeJpeg() ?? null },
): Check {
  const { model, cores, quota, instructions } = cpu;
  const findings: Finding[] = [];
  if (quota !== undefined && quota < cores) {
    findings.push({
      severity: 'note',
      message: `The container allows ${round(quota)} of these ${cores} cores: more threads than that only wait.`,
      fix: `Give --workers ${Math.max(1, Math.floor(quota))}, or the container more (docker run --cpus).`,
    });
  }
  if (instructions !== undefined && process.arch === 'x64' && !instructions.includes('AVX2')) {
    findings.push({
      severity: 'warning',
      message: 'The CPU has no AVX2: networks run at a fraction of the usual speed.',
      fix: 'Use a machine with AVX2 (Intel since 2013, AMD since 2015), or check that the virtual machine passes it on.',
    });
  }
  if (load > cores * 0.75) {
    findings.push({
      severity: 'note',
      message: `Other work keeps this machine busy (load ${load.toFixed(1)} on ${cores} cores): speeds below are too low.`,
    });
  }
  const known =
    instructions === undefined
      ? 'instructions not known'
      : instructions.join(' ') || 'no vector instructions';
  return makeCheck('cpu', {
    summary: `${model}, ${cores} ${cores === 1 ? 'core' : 'cores'}`,
    details: [
      `instructions: ${known}`,
      without.kernels === null
        ? 'PCA by AVX2 kernels'
        : `PCA by WebAssembly's kernels, at half the speed and to the same bits: ${without.kernels}`,
      without.jpeg === null
        ? 'JPEG by libjpeg-turbo for this processor'
        : `JPEG by libjpeg-turbo in WebAssembly, at a third of the speed and to the same bits: ${without.jpeg}`,
    ],
    findings,
    facts: {
      model,
      cores,
      quotaCores: quota ?? null,
      loadAverage: Math.round(load * 100) / 100,
      instructions: instructions ?? null,
      avx2: instructions?.includes('AVX2') ?? null,
      avx512: instructions?.includes('AVX512F') ?? null,
      amx: instructions?.includes('AMX_TILE') ?? null,
      kernels: without.kernels === null ? 'avx2' : 'wasm',
      jpeg: without.jpeg === null ? 'native' : 'wasm',
    },
  });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
