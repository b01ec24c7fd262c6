import type { ShardContent } from '../../run/expect-whole-shard.ts';

type Rows = Pick<ShardContent, 'indices' | 'outputs'>;

/** Rows of two halves of a shard in the order of their positions; no position is in both. */
export function mergeRows(a: Rows, b: Rows, lengths: readonly number[]): Rows {
  const count = a.indices.length + b.indices.length;
  const indices = new Uint32Array(count);
  const outputs = lengths.map((length) => new Float32Array(count * length));
  let i = 0;
  let j = 0;
  for (let row = 0; row < count; row++) {
    const isFirst =
      j === b.indices.length || (i < a.indices.length && a.indices[i]! < b.indices[j]!);
    const from = isFirst ? a : b;
    const at = isFirst ? i++ : j++;
    indices[row] = from.indices[at]!;
    lengths.forEach((length, output) => {
      const values = from.outputs[output]!.subarray(at * length, (at + 1) * length);
      outputs[output]!.set(values, row * length);
    });
  }
  return { indices, outputs };
}
