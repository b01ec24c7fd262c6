/**
 * Names (of layers, options) close to a wrong one, best first: those that contain it (or it them), then those a
 * few typing errors away.
 * @param limit most names to return
 * @example closestNames('FC1', ['fc1', 'fc2', 'predictions']) // ['fc1', 'fc2']
 */
export function closestNames(wanted: string, names: readonly string[], limit = 5): string[] {
  const target = simplified(wanted);
  if (target === '') return [];
  const most = Math.max(1, Math.floor(target.length / 3));
  return names
    .map((name, position) => {
      const candidate = simplified(name);
      const isPart =
        target.length >= 3 && (candidate.includes(target) || target.includes(candidate));
      const distance = editDistance(target, candidate);
      return { name, position, isNear: isPart || distance <= most, distance };
    })
    .filter(({ isNear }) => isNear)
    .sort((a, b) => a.distance - b.distance || a.position - b.position)
    .slice(0, limit)
    .map(({ name }) => name);
}

/** Case and separators are the most frequent mistakes: "Block5-Pool" means block5_pool. */
function simplified(name: string): string {
  return name.toLowerCase().replace(/[\s_\-./]/g, '');
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
