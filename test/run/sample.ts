import { type Manifest, ManifestBuilder } from '../../src/run/manifest.ts';
import type { Shard } from '../../src/run/plan-shards.ts';
import type { ShardContent } from '../../src/run/shard-records.ts';
import type { SourceEntry } from '../../src/source/source.ts';

export function entry(origin: string, more: Partial<SourceEntry> = {}): SourceEntry {
  return { origin, target: 'x', location: origin, size: 10, version: '1', ...more };
}

export function manifestOf(entries: readonly SourceEntry[]): Manifest {
  const builder = new ManifestBuilder();
  for (const one of entries) builder.add({ kind: 'image', entry: one });
  return builder.freeze();
}

/** Images `in/000000.jpg` …, in order. */
export function images(count: number): SourceEntry[] {
  return Array.from({ length: count }, (_, i) => entry(`in/${String(i).padStart(6, '0')}.jpg`));
}

/** Rows for a whole shard; positions that end in 7 are rejected. A value tells row and column. */
export function contentOf(shard: Shard, lengths: readonly number[]): ShardContent {
  const all = Array.from({ length: shard.end - shard.start }, (_, i) => shard.start + i);
  const indices = all.filter((index) => index % 10 !== 7);
  const rejections = all
    .filter((index) => index % 10 === 7)
    .map((index) => ({
      index,
      reason: 'truncated' as const,
      message: `Expected more of ${index}.`,
    }));
  const outputs = lengths.map((length) =>
    Float32Array.from(
      { length: indices.length * length },
      (_, i) => indices[Math.floor(i / length)] + (i % length) / 1000,
    ),
  );
  return { indices, outputs, rejections };
}
