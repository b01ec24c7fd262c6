import { fileURLToPath } from 'node:url';
import { OptionError } from './errors.ts';
import { isS3Url } from './s3/s3-address.ts';

/**
 * Whether a place that the user named is in a store; else it is a path on a disk.
 * @param name what it was given for, e.g. `--out`
 * @throws OptionError for an address of another kind: it is surely not a folder's name
 */
export function isInStore(place: string, name: string): boolean {
  if (isS3Url(place)) return true;
  const fix = fixOf(place);
  if (fix === undefined) return false;
  throw new OptionError(
    `Expected a path or s3://bucket/prefix for ${name} but received ${place}.`,
    { fix },
  );
}

/** The same for a path that can only be on a disk. @throws OptionError for any address */
export function expectPath(place: string, name: string): string {
  if (!isInStore(place, name)) return place;
  throw new OptionError(`Expected a path on a disk for ${name} but received ${place}.`, {
    fix: 'Name a folder of this machine.',
  });
}

/** What to write in place of an address of another kind; undefined for a path. */
function fixOf(place: string): string | undefined {
  if (/^~[^/\\]*([/\\]|$)/.test(place)) {
    return `No shell replaced the ~ in it: write the folder out, or remove the quotes, or the = before it. A folder of that name is ./${place}.`;
  }
  // One letter is a drive of Windows.
  const scheme = /^([a-z][a-z0-9+.-]+):[/\\]/i.exec(place)?.[1]?.toLowerCase();
  if (scheme === undefined) return undefined;
  if (/^s3[an]?$/.test(scheme)) return 'Write it as s3://bucket/prefix.';
  if (scheme === 'file' && URL.canParse(place)) {
    try {
      return `Name the path itself: ${fileURLToPath(place)}.`;
    } catch {} // it has a host
  }
  return `Stores other than S3 (${scheme}) are not supported: name a folder on a disk. A folder of that name is ./${place}.`;
}
