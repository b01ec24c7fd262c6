import type { FindingKind, KindCount } from '../events.ts';
import { formatCount } from './units.ts';

const WORDS: Readonly<Record<FindingKind, (count: KindCount) => string>> = {
  leak: ({ findings }) => `${images(findings)} also in another part (leaks)`,
  two_classes: ({ findings }) => `${formatCount(findings)} × the same image in two classes`,
  exact_duplicate: ({ findings, images: all }) =>
    `${images(all)} in ${sets(findings)} of exact duplicates`,
  same_features: ({ findings, images: all }) =>
    `${images(all)} in ${sets(findings)} with the same features`,
  near_duplicate: ({ findings, images: all }) =>
    `${images(all)} in ${sets(findings)} of near duplicates`,
  outlier: ({ findings }) => `${images(findings)} far from their class`,
};

/** One line for each kind of finding that there is. */
export function describeFindings(counts: Readonly<Record<FindingKind, KindCount>>): string[] {
  const lines = Object.entries(counts)
    .filter(([, count]) => count.findings > 0)
    .map(([kind, count]) => `  ${WORDS[kind as FindingKind](count)}`);
  return lines.length === 0 ? ['  no copies, leaks or outliers found'] : lines;
}

function images(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'image' : 'images'}`;
}

function sets(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'set' : 'sets'}`;
}
