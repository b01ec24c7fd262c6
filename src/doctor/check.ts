import type { Json } from '../run/fingerprint.ts';

/** Names of the checks, in the order they are made and shown; `--json` uses them as keys. */
export const CHECK_NAMES = [
  'node',
  'cpu',
  'memory',
  'tensorflow',
  'gpu',
  'images',
  'golden',
  'model',
  'speed',
  'disk',
  's3',
] as const;

export type CheckName = (typeof CHECK_NAMES)[number];

/**
 * `note`: good to know, nothing is wrong. `warning`: works, but less well than it could. `problem`:
 * something that was asked for, or that every run needs, does not work.
 */
export type Severity = 'note' | 'warning' | 'problem';

/** What a check found; what is wrong always comes with what to do. */
export type Finding =
  | { readonly severity: 'note'; readonly message: string; readonly fix?: string }
  | {
      readonly severity: 'warning' | 'problem';
      readonly message: string;
      readonly fix: string;
    };

/** One check's answer, for people and for machines. */
export interface Check {
  readonly name: CheckName;
  /** The worst of its findings. */
  readonly status: 'ok' | Severity;
  /** One line. */
  readonly summary: string;
  /** Further lines for people. */
  readonly details: readonly string[];
  readonly findings: readonly Finding[];
  /** The same for machines: names stay, units are in the names, null is "not known". */
  readonly facts: Readonly<Record<string, Json>>;
}

const ORDER = ['ok', 'note', 'warning', 'problem'] as const;

export function makeCheck(
  name: CheckName,
  {
    summary,
    details = [],
    findings = [],
    facts = {},
  }: Partial<Omit<Check, 'name' | 'status'>> & { readonly summary: string },
): Check {
  return {
    name,
    status: worstOf(findings.map(({ severity }) => severity)),
    summary,
    details,
    findings,
    facts,
  };
}

export function worstOf(states: readonly Check['status'][]): Check['status'] {
  return ORDER[Math.max(0, ...states.map((state) => ORDER.indexOf(state)))];
}
