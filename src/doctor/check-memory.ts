import { freemem, totalmem } from 'node:os';
import { formatBytes } from '../terminal/units.ts';
import { type Check, type Finding, makeCheck } from './check.ts';

export interface MemoryFacts {
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
  const findings: Finding[] = [];
  if (availableBytes < VGG16_BYTES) {
    findings.push({
      severity: 'warning',
      message: `${formatBytes(availableBytes)} are free; a full VGG16 needs about ${formatBytes(VGG16_BYTES)}.`,
      fix: 'Close other programs, give the container more memory, or use --batch 4 or a smaller network (mobilenetv2).',
    });
  }
  const limit =
    limitBytes === undefined ? '' : `, ${formatBytes(limitBytes)} allowed by the container`;
  return makeCheck('memory', {
    summary: `${formatBytes(availableBytes)} free of ${formatBytes(totalBytes)}${limit}`,
    findings,
    facts: { totalBytes, availableBytes, limitBytes: limitBytes ?? null },
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
