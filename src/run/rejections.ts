import { printableJson } from '../json.ts';
import type { ListingRejection } from '../source/source.ts';
import type { OutputStore, WrittenFile } from '../storage/output-store.ts';
import { compareUtf8 } from './compare-utf8.ts';
import type { Manifest } from './manifest.ts';
import type { RunStore } from './run-store.ts';

/** One image without a row; rejections of a listing and of a decoder have this form. */
export type Rejection = ListingRejection;

/**
 * Writes `rejected.jsonl`: one object a line, `origin`, `reason`, `message`, sorted by the UTF-8 bytes of origin.
 * Always there: an empty file says that nothing was rejected.
 */
export async function writeRejections(
  store: OutputStore,
  rejections: Iterable<Rejection>,
): Promise<WrittenFile> {
  const sorted = [...rejections].sort((a, b) => compareUtf8(a.origin, b.origin));
  const file = await store.create('rejected.jsonl');
  try {
    for (let i = 0; i < sorted.length; i += 1000) {
      const lines = sorted
        .slice(i, i + 1000)
        .map(({ origin, reason, message }) => `${printableJson({ origin, reason, message })}\n`);
      await file.write(Buffer.from(lines.join('')));
    }
    return await file.commit();
  } catch (error) {
    await file.abort();
    throw error;
  }
}

/** Every rejection of a run whose shards are all committed: those of the listing, then those of the decoders. */
export function* runRejections(manifest: Manifest, store: RunStore): Generator<Rejection> {
  yield* manifest.rejections;
  for (const { id } of store.plan.shards) {
    for (const { index, reason, message } of store.shardRecord(id).rejections) {
      yield { origin: manifest.entry(index).origin, reason, message };
    }
  }
}
