import { RunError } from '../../errors.ts';
import { DecodeError } from '../decode-error.ts';
import type { DecodedChunk, DecodeTask, ImageRejection } from '../decoded-chunk.ts';
import { ImageTimedOut, ThreadReplaced } from './decode-thread.ts';

export interface DecodeAgainOptions {
  /** Gives the tasks to some thread. */
  readonly decode: (tasks: readonly DecodeTask[]) => Promise<DecodedChunk>;
  /** Positions known to end the process; they are never decoded. */
  readonly setAside: ReadonlyMap<number, string>;
  readonly imageTimeoutMs: number;
}

/**
 * Decodes a chunk by as many threads as needed: an image that takes too long is rejected and costs
 * its thread; the others of the chunk are decoded again by the next one.
 */
export async function decodeAgain(
  tasks: readonly DecodeTask[],
  { decode, setAside, imageTimeoutMs }: DecodeAgainOptions,
): Promise<DecodedChunk> {
  const rejections: ImageRejection[] = [];
  let left = tasks;
  if (setAside.size > 0 && tasks.some(({ index }) => setAside.has(index))) {
    for (const { index } of tasks) {
      const message = setAside.get(index);
      if (message !== undefined) rejections.push({ index, reason: 'crashed', message });
    }
    left = tasks.filter(({ index }) => !setAside.has(index));
  }
  for (;;) {
    try {
      const chunk = await decode(left);
      if (rejections.length === 0) return chunk;
      rejections.push(...chunk.rejections);
      return { ...chunk, rejections: rejections.sort((a, b) => a.index - b.index) };
    } catch (error) {
      if (error instanceof ImageTimedOut) {
        const { index } = left[error.position];
        const message = `Expected an image that is decoded within ${imageTimeoutMs / 1000} s (--image-timeout) but found one that takes longer.`;
        rejections.push({ index, reason: 'timeout', message });
        left = left.filter((task) => task.index !== index);
      } else if (!(error instanceof ThreadReplaced)) throw error;
      left = await withBytes(left, rejections);
    }
  }
}

/** Bytes went with the thread that was ended: they are fetched again. */
async function withBytes(
  tasks: readonly DecodeTask[],
  rejections: ImageRejection[],
): Promise<readonly DecodeTask[]> {
  const whole: DecodeTask[] = [];
  for (const task of tasks) {
    if (task.bytes === undefined) {
      whole.push(task);
      continue;
    }
    if (task.fetch === undefined) {
      throw new RunError(
        `Expected the bytes of image ${task.index} again but found no way to read them.`,
      );
    }
    try {
      whole.push({ ...task, bytes: await task.fetch() });
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      rejections.push({ index: task.index, reason: error.reason, message: error.message });
    }
  }
  return whole;
}
