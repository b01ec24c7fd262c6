import { SourceError } from '../../errors.ts';
import type { FilePart } from '../../image/file-part.ts';
import { type ListingRejection, shownName } from '../source.ts';

/** A file in an archive. */
export interface Member {
  /** With `/` between folders, as the archive has it. */
  readonly name: string;
  /** Of its content, in bytes. */
  readonly size: number;
  /** Where its bytes are; undefined where they cannot be read, for the reason `fault`. */
  readonly part?: FilePart;
  readonly fault?: Pick<ListingRejection, 'reason' | 'message'>;
}

/** Bytes of a name as text; undefined where they are not UTF-8. */
export function utf8Of(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** A member whose name is no text, shown with \x.. for its bytes. */
export function nameless(bytes: Uint8Array, size: number): Member {
  const name = shownName(bytes);
  const message = 'Expected a name in UTF-8 but found other bytes (shown as \\x..).';
  return { name, size, fault: { reason: 'name_not_utf8', message } };
}

/** An archive that cannot be listed to its end: the members that follow would be lost. */
export function damagedArchive(archive: string, found: string, cause?: unknown): SourceError {
  return new SourceError(`Expected a whole archive in ${archive} but found ${found}.`, {
    fix: 'Copy or pack it again; what is whole in it can be unpacked and given as a folder.',
    cause,
  });
}
