import { isImg2FeaturesError } from '../errors.ts';
import type { ImageBodies } from '../findings/exact-copies.ts';
import { DecodeError } from '../image/decode-error.ts';
import { readImageFile } from '../image/read-image-file.ts';
import type { Source, SourceEntry } from '../source/source.ts';

/** The images behind the rows, where they can still be reached. */
export interface SourceImages extends ImageBodies {
  /** True when the images are files of this machine. */
  readonly isLocal: boolean;
  /** Each is a request. */
  readonly isInStore?: boolean;
  /** As that of their source. */
  readonly fileOf?: Source['fileOf'];
  /** Undefined where nothing is known of the row's image. */
  entryOf(row: number): SourceEntry | undefined;
}

/** Most images read again to confirm copies: files cost little, requests to a store cost more. */
const READ_AGAIN = { files: 20_000, objects: 200 };

export function sourceImages(
  source: Source | undefined,
  entryOf: (row: number) => SourceEntry | undefined,
  maxPixels: number,
  signal: AbortSignal,
): SourceImages {
  const { isLocal = true, isInStore = false } = source ?? {};
  return {
    isLocal,
    isInStore,
    ...(source?.fileOf && { fileOf: source.fileOf }),
    entryOf,
    limit: isInStore ? READ_AGAIN.objects : READ_AGAIN.files,
    inFlight: isInStore ? 16 : 1,
    async read(row) {
      const entry = entryOf(row);
      if (entry === undefined) return undefined;
      signal.throwIfAborted();
      try {
        if (isLocal && source?.fileOf === undefined) {
          // An image whose listing is unknown has no version: any version is accepted.
          const listed = entry.version === '' ? undefined : entry;
          return readImageFile(entry.location, maxPixels, listed);
        }
        return await source!.read(entry, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof DecodeError || isImg2FeaturesError(error)) return undefined;
        throw error;
      }
    },
  };
}

/** For a run whose images cannot be found any more. */
export const NO_IMAGES: SourceImages = {
  isLocal: true,
  entryOf: () => undefined,
  limit: 0,
  inFlight: 1,
  read: async () => undefined,
};
