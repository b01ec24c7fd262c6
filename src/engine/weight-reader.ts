import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ModelError } from '../errors.ts';
import { expectSameFile } from '../model/check-weights.ts';
import { shapeSize } from '../model/count-values.ts';
import type { ModelFolder, WeightSpec } from '../model/model-folder.ts';

const FLOAT_BYTES = 4;
/** Node reads at most 2^31 - 1 bytes in one call. */
const MAX_READ_BYTES = 2 ** 30;

interface OpenShard {
  readonly fd: number;
  readonly path: string;
  /** Place of the shard's first byte in all shards, one after the other. */
  readonly start: number;
  readonly end: number;
  /** See ModelFolder.shardStamps. */
  readonly stamp: string;
}

type Weights = Pick<ModelFolder, 'dir' | 'weights' | 'shardPaths' | 'shardStamps'>;

/** Reads single tensors out of a model's weight shards, straight into the caller's memory. */
export class WeightReader {
  readonly #shards: OpenShard[] = [];
  readonly #places = new Map<string, { readonly spec: WeightSpec; readonly start: number }>();

  /** @throws ModelError when the shards do not hold what model.json lists. */
  constructor(folder: Weights) {
    let start = 0;
    for (const spec of folder.weights) {
      this.#places.set(spec.name, { spec, start });
      start += byteLength(spec);
    }
    try {
      this.#open(folder);
      const found = this.#shards.at(-1)?.end ?? 0;
      if (found !== start) {
        throw new ModelError(
          `Expected ${start} bytes of weights for ${folder.dir} but found ${found}.`,
          { fix: 'The folder is damaged: convert, fetch or init the model again.' },
        );
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The shape of a weight, or undefined when the folder has none of this name. */
  find(name: string): WeightSpec | undefined {
    return this.#places.get(name)?.spec;
  }

  /**
   * Reads the weight `name`, which must exist, or a part of it.
   * @param target as many bytes as are wanted.
   * @param offset bytes of the weight before the wanted ones.
   */
  read(name: string, target: Uint8Array, offset = 0): void {
    const start = this.#places.get(name)!.start + offset;
    const end = start + target.length;
    for (const shard of this.#shards) {
      const from = Math.max(start, shard.start);
      const to = Math.min(end, shard.end);
      if (from < to)
        readFully(shard, from - shard.start, target.subarray(from - start, to - start));
    }
  }

  close(): void {
    for (const { fd } of this.#shards.splice(0)) closeSync(fd);
  }

  /** @throws ModelError where what was read are not the bytes that were hashed; call it when all is read. */
  expectUnchanged(): void {
    for (const { fd, path, stamp } of this.#shards) {
      expectSameFile(path, stamp, fstatSync(fd, { bigint: true }));
    }
  }

  #open({ shardPaths, shardStamps }: Weights): void {
    let start = 0;
    for (const [i, path] of shardPaths.entries()) {
      const fd = openShard(path);
      const end = start + fstatSync(fd).size;
      this.#shards.push({ fd, path, start, end, stamp: shardStamps[i] });
      start = end;
    }
  }
}

export function byteLength({ shape }: WeightSpec): number {
  return shapeSize(shape) * FLOAT_BYTES;
}

function openShard(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new ModelError(`Expected a weight shard at ${path} but found none.`, {
      fix: 'The folder is damaged: convert, fetch or init the model again.',
      cause,
    });
  }
}

function readFully({ fd, path }: OpenShard, position: number, target: Uint8Array): void {
  let filled = 0;
  while (filled < target.length) {
    const wanted = Math.min(target.length - filled, MAX_READ_BYTES);
    const count = readSync(fd, target, filled, wanted, position + filled);
    if (count === 0) throw new ModelError(`Expected more bytes in ${path} but found its end.`);
    filled += count;
  }
}
