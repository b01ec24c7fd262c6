import { RunError } from '../errors.ts';
import type { ImageRejection } from '../image/decoded-chunk.ts';
import type { Shard } from './plan-shards.ts';

/** What `writeShard` takes: every position of the shard is either a row or a rejection. */
export interface ShardContent {
  /** Manifest positions of the rows, ascending. */
  readonly indices: readonly number[] | Uint32Array;
  /** For each output float32 [n, length], row-major. */
  readonly outputs: readonly Float32Array[];
  readonly rejections: readonly ImageRejection[];
}

/**
 * Checks that no row is lost or moved: every position is there once, as a row or as a
 * rejection, rows are in order, and each output has one vector for each row.
 *
 * @throws RunError
 */
export function expectWholeShard(
  shard: Shard,
  { indices, outputs, rejections }: ShardContent,
  lengths: readonly number[],
): void {
  const seen = new Uint8Array(shard.end - shard.start);
  for (const index of [...indices, ...rejections.map((rejection) => rejection.index)]) {
    if (!(index >= shard.start && index < shard.end)) {
      throw wrongShard(shard.id, `position ${index} outside ${shard.start}–${shard.end - 1}`);
    }
    if (seen[index - shard.start]++) throw wrongShard(shard.id, `position ${index} twice`);
  }
  const missing = seen.indexOf(0);
  if (missing !== -1) throw wrongShard(shard.id, `position ${shard.start + missing} missing`);
  for (let i = 1; i < indices.length; i++) {
    if (indices[i] < indices[i - 1])
      throw wrongShard(shard.id, `position ${indices[i]} out of order`);
  }
  lengths.forEach((length, i) => {
    const expected = indices.length * length;
    const found = outputs[i]?.length ?? 0;
    if (found !== expected)
      throw wrongShard(shard.id, `${found} values instead of ${expected} for output ${i}`);
  });
}

function wrongShard(id: number, found: string): RunError {
  return new RunError(
    `Expected each image of shard ${id} once but found ${found}; rows would be mixed up.`,
    {
      fix: 'This is a fault of img2features: please report it with the command that shows it.',
    },
  );
}
