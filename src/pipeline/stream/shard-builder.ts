import type { ImageRejection } from '../../image/decoded-chunk.ts';
import type { ShardContent } from '../../run/expect-whole-shard.ts';

/** The rows of one shard, gathered batch by batch: float32 [rows, length] for each output. */
export class ShardBuilder {
  readonly #indices: number[] = [];
  readonly #rejections: ImageRejection[] = [];
  readonly #matrices: Float32Array[];
  readonly #lengths: readonly number[];

  constructor(maxRows: number, lengths: readonly number[]) {
    this.#lengths = lengths;
    this.#matrices = lengths.map((length) => new Float32Array(maxRows * length));
  }

  /** @param outputs float32 [indices.length, length] for each output, in the order of the lengths. */
  append(
    indices: readonly number[],
    outputs: readonly Float32Array[],
    rejections: readonly ImageRejection[],
  ): void {
    outputs.forEach((values, i) => {
      this.#matrices[i]!.set(values, this.#indices.length * this.#lengths[i]!);
    });
    this.#indices.push(...indices);
    this.#rejections.push(...rejections);
  }

  /** All that was appended; the outputs are views of exactly those rows. */
  content(): ShardContent {
    const outputs = this.#matrices.map((matrix, i) =>
      matrix.subarray(0, this.#indices.length * this.#lengths[i]!),
    );
    return { indices: this.#indices, outputs, rejections: this.#rejections };
  }
}
