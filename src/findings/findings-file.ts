import type { FindingKind, KindCount } from '../events.ts';
import { printableJson } from '../json.ts';
import type { Json } from '../run/canonical-json.ts';
import type { Findings } from './find-findings.ts';
import { FINDING_KINDS, type Finding, MAX_LISTED } from './finding.ts';

/** What run.json says of the findings. */
export type FindingsSummary = Json;

/** findings.jsonl: one finding a line, by kind; the same rows and images always give the same bytes. */
export function findingsLines({ findings }: Findings): string {
  let text = '';
  for (const kind of FINDING_KINDS) {
    for (const finding of listed(findings, kind)) text += `${printableJson(finding)}\n`;
  }
  return text;
}

export function countFindings({ findings }: Findings): Record<FindingKind, KindCount> {
  return Object.fromEntries(
    FINDING_KINDS.map((kind) => {
      const all = findings.filter((finding) => finding.kind === kind);
      const images = all.reduce((sum, finding) => sum + finding.images, 0);
      return [kind, { findings: all.length, listed: Math.min(all.length, MAX_LISTED), images }];
    }),
  ) as Record<FindingKind, KindCount>;
}

export function summarizeFindings(found: Findings): FindingsSummary {
  const { near, outlierScore, isComplete, measuredIn, parts } = found;
  return {
    thresholds: { near, outlierScore },
    measuredIn,
    complete: isComplete,
    compared: [...parts],
    counts: countFindings(found) as unknown as Json,
  };
}

function listed(findings: readonly Finding[], kind: FindingKind): Finding[] {
  return findings.filter((finding) => finding.kind === kind).slice(0, MAX_LISTED);
}
