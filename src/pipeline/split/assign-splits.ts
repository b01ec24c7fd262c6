import { createHash } from 'node:crypto';

export interface SplitRequest {
  /** Percent of each split; they add up to 100. */
  readonly shares: readonly number[];
  readonly seed: number;
  /** Name of each row. */
  readonly origins: readonly string[];
  /** Class of each row, 0 … classes - 1. */
  readonly targets: Uint32Array;
  readonly classes: number;
  /** Rows that must be in one split: of each row the first row of its group. */
  readonly groupOf: Uint32Array;
  /** The split that a row has already, or -1. */
  readonly before: Int8Array;
}

export interface AssignedSplits {
  /** For each row a position in `shares`. */
  readonly of: Uint8Array;
  /** Rows that had another split before: a new image joins their group to one that has it. */
  readonly moved: number;
}

/**
 * Gives each group a split, so that each class has the shares as well as whole groups allow.
 *
 * Groups with rows that had a split keep it (the one of most of their rows). The others follow, the larger first, then in the order of
 * a hash of the seed and the first name in them: each takes the split in which its classes lack most rows. So the same seed
 * and names give the same splits, and images that come later move none that is there.
 */
export function assignSplits(request: SplitRequest): AssignedSplits {
  const { shares, classes, targets, before } = request;
  const width = shares.length;
  const groups = groupsInOrder(request);
  // Whole numbers, so that no rounding decides: what a class lacks in a split, in hundredths of a row.
  const lacks = new Float64Array(classes * width);
  const lacksInAll = new Float64Array(width);
  for (const target of targets) {
    for (let split = 0; split < width; split++) {
      lacks[target * width + split] += shares[split];
      lacksInAll[split] += shares[split];
    }
  }
  const of = new Uint8Array(targets.length);
  let moved = 0;
  const assign = (rows: readonly number[], split: number): void => {
    for (const row of rows) {
      of[row] = split;
      lacks[targets[row] * width + split] -= 100;
      lacksInAll[split] -= 100;
      if (before[row] !== -1 && before[row] !== split) moved++;
    }
  };
  const lackOf = (rows: readonly number[], split: number): number =>
    rows.reduce((sum, row) => sum + lacks[targets[row] * width + split], 0);
  const isNew = (rows: readonly number[]) => rows.every((row) => before[row] === -1);
  for (const rows of groups) {
    if (isNew(rows)) continue;
    const votes = shares.map((_, split) => rows.filter((row) => before[row] === split).length);
    assign(rows, votes.indexOf(Math.max(...votes)));
  }
  for (const rows of groups) {
    if (!isNew(rows)) continue;
    let best = 0;
    let most = lackOf(rows, 0);
    for (let split = 1; split < width; split++) {
      const lack = lackOf(rows, split);
      if (lack < most || (lack === most && lacksInAll[split] <= lacksInAll[best])) continue;
      best = split;
      most = lack;
    }
    assign(rows, best);
  }
  return { of, moved };
}

/** The larger first, then by hash. */
function groupsInOrder({ seed, origins, groupOf }: SplitRequest): number[][] {
  const groups = new Map<number, number[]>();
  groupOf.forEach((first, row) => {
    const rows = groups.get(first);
    if (rows === undefined) groups.set(first, [row]);
    else rows.push(row);
  });
  return [...groups.values()]
    .map((rows) => ({ rows, hash: hashOf(seed, origins[rows[0]]) }))
    .sort((a, b) => b.rows.length - a.rows.length || a.hash - b.hash || a.rows[0] - b.rows[0])
    .map(({ rows }) => rows);
}

/** 48 bits. */
function hashOf(seed: number, origin: string): number {
  return createHash('sha256').update(`${seed}\0${origin}`).digest().readUIntBE(0, 6);
}
