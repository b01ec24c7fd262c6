import type { DecodedChunk } from '../../image/decoded-chunk.ts';
import type { Run } from '../run.ts';

/** The rejection of each image when the whole input is missing. */
const LOST: ReadonlySet<string> = new Set(['vanished', 'changed', 'unreadable', 'broken_link']);

/** Passes chunks on, reports bad images and adds up the workers' time. @throws SourceError when the input is missing */
export async function* watchChunks(
  chunks: AsyncIterable<DecodedChunk>,
  {
    source,
    manifest,
    clock,
    progress,
    onEvent,
  }: Pick<Run, 'source' | 'manifest' | 'clock' | 'progress' | 'onEvent'>,
): AsyncGenerator<DecodedChunk> {
  for await (const chunk of chunks) {
    clock.add('read', chunk.timing.readMs);
    clock.add('decode', chunk.timing.decodeMs);
    clock.add('resize', chunk.timing.resizeMs);
    // Where the disk is missing, its images must not be rejected one by one.
    if (chunk.rejections.some(({ reason }) => LOST.has(reason))) source.expectThere?.();
    for (const { index, reason, message } of chunk.rejections) {
      onEvent({ event: 'rejected', origin: manifest.entry(index).origin, reason, message });
    }
    progress.addDecoded(chunk.indices.length + chunk.rejections.length);
    yield chunk;
  }
}
