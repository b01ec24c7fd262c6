import type { FindingKind } from '../../events.ts';
import { FINDING_KINDS } from '../../findings/finding.ts';
import type { PageData } from '../page-data.ts';
import { palette, type Rgb } from './palette.ts';
import type { Points } from './points.ts';

export const FINDING_TITLES: Readonly<Record<FindingKind, string>> = {
  leak: 'Leaks',
  two_classes: 'In two classes',
  exact_duplicate: 'Exact duplicates',
  same_features: 'Same features',
  near_duplicate: 'Near duplicates',
  outlier: 'Outliers',
};

/** One way to colour the points: each is in one group. */
export interface Groups {
  readonly key: 'class' | 'part' | 'finding';
  /** What it says over the legend. */
  readonly title: string;
  readonly names: readonly string[];
  /** Images in each. */
  readonly counts: readonly number[];
  readonly colors: readonly Rgb[];
  /** The group of each point. */
  readonly of: Uint32Array;
  /** The group of all that the colours are not about: drawn first and faint; -1 without one. */
  readonly rest: number;
}

const GRAY: Rgb = [148, 152, 160];
/** Of the kinds of findings: the graver ones stand out. */
const KIND_COLORS: readonly Rgb[] = [
  [224, 60, 60],
  [214, 120, 20],
  [66, 105, 208],
  [60, 169, 160],
  [60, 169, 81],
  [164, 99, 242],
];

/** The ways that this run has: by class, by part where there are some, by finding where there is one. */
export function groupings(data: PageData, points: Points): Groups[] {
  const { classes, classCounts, findings } = data;
  const ways: Groups[] = [
    {
      key: 'class',
      title: 'Classes',
      names: classes,
      counts: classCounts,
      colors: palette(classes.length),
      of: points.targets,
      rest: -1,
    },
  ];
  const { parts } = points;
  if (parts !== undefined) {
    const { names } = data.points.parts!;
    ways.push(withRest('part', 'Split', names, palette(names.length), points, (i) => parts[i]));
  }
  const found = FINDING_KINDS.filter((kind) => findings.counts[kind].findings > 0);
  if (found.length > 0) {
    const places = found.map((kind) => FINDING_KINDS.indexOf(kind));
    const names = found.map((kind) => FINDING_TITLES[kind]);
    const colors = places.map((place) => KIND_COLORS[place]);
    const kindOf = (i: number) => places.findIndex((place) => points.kinds[i] & (1 << place));
    ways.push(withRest('finding', 'Findings', names, colors, points, kindOf));
  }
  return ways;
}

/** Groups of some points; those of none make a last group, where there are any. */
function withRest(
  key: 'part' | 'finding',
  title: string,
  named: readonly string[],
  colors: readonly Rgb[],
  { count }: Points,
  groupOf: (point: number) => number,
): Groups {
  const of = new Uint32Array(count);
  const counts = [...named.map(() => 0), 0];
  for (let i = 0; i < count; i++) {
    const group = groupOf(i);
    of[i] = group < 0 ? named.length : group;
    counts[of[i]] += 1;
  }
  const names = [...named, key === 'part' ? 'Neither' : 'No finding'];
  if (counts[named.length] > 0) {
    return { key, title, names, counts, colors: [...colors, GRAY], of, rest: named.length };
  }
  return { key, title, names: named, counts: counts.slice(0, -1), colors, of, rest: -1 };
}
