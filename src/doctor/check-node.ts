import { isAtLeast } from '../runtime/runtime-platform.ts';
import { type Check, type Finding, makeCheck } from './check.ts';

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
  const findings: Finding[] = [];
  if (isTooOld) {
    findings.push({
      severity: 'problem',
      message: `Node ${version} is older than ${OLDEST}, the oldest that is supported.`,
      fix: 'Install Node 22 or 24.',
    });
  } else if (isEnded) {
    findings.push({
      severity: 'note',
      message: `Node ${major} works here, but its end of life was on ${endOfLife}.`,
      fix: 'Install Node 22 or 24 when convenient; nothing needs to be built again.',
    });
  }
  const life = endOfLife === undefined ? '' : isEnded ? '' : `, maintained until ${endOfLife}`;
  return makeCheck('node', {
    summary: `${version} on ${platform}-${arch}${life}`,
    findings,
    facts: {
      version,
      platform,
      arch,
      supported: !isTooOld,
      endOfLife: endOfLife ?? null,
      maintained: endOfLife === undefined ? null : !isEnded,
    },
  });
}
