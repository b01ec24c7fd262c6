import { compareUtf8 } from './compare-utf8.ts';
import type { Manifest } from './manifest.ts';

/** Says in one phrase how the images differ: `the images changed: 3 added (a.jpg …), 1 removed (b.jpg), 0 changed`. */
export function describeManifestDifference(before: Manifest, now: Manifest): string {
  const found = { added: [] as string[], removed: [] as string[], changed: [] as string[] };
  const counts = { added: 0, removed: 0, changed: 0 };
  const note = (kind: keyof typeof counts, origin: string): void => {
    counts[kind]++;
    if (found[kind].length === 0) found[kind].push(origin);
  };
  let i = 0;
  let j = 0;
  while (i < before.count || j < now.count) {
    const old = i < before.count ? before.entry(i) : undefined;
    const current = j < now.count ? now.entry(j) : undefined;
    const order =
      old && current ? compareUtf8(old.origin, current.origin) : old === undefined ? 1 : -1;
    if (order < 0) note('removed', old!.origin);
    else if (order > 0) note('added', current!.origin);
    else if (old!.size !== current!.size || old!.version !== current!.version) {
      note('changed', old!.origin);
    }
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
  const phrases = (['added', 'removed', 'changed'] as const)
    .filter((kind) => counts[kind] > 0)
    .map((kind) => `${counts[kind]} ${kind} (${found[kind][0]}${counts[kind] > 1 ? ' …' : ''})`);
  // Same images: then it is what the listing says about them, or the files it could not take.
  return `images: ${phrases.length > 0 ? phrases.join(', ') : 'their folders or rejected names differ'}`;
}
