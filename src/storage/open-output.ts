import { isInStore } from '../place.ts';
import { FolderStore } from './folder-store.ts';
import type { OpenOutputOptions, OutputStore } from './output-store.ts';

/** Opens a folder or a prefix of a store for writing. @throws ExportError; OptionError for a malformed URL */
export async function openOutput(target: string, options: OpenOutputOptions): Promise<OutputStore> {
  if (!isInStore(target, '--out'))
    return FolderStore.open(target, { isHeld: options.isHeld ?? false });
  const { S3Store } = await import('./s3-store.ts');
  // Writing always needs credentials, even where reading does not.
  return new S3Store(target, { ...options, s3: { ...options.s3, isAnonymous: false } });
}

/** Opens a finished run for reading; nothing is made or removed. */
export async function openOutputForReading(
  target: string,
  options: OpenOutputOptions,
): Promise<OutputStore> {
  if (!isInStore(target, 'a run')) return FolderStore.forReading(target);
  const { S3Store } = await import('./s3-store.ts');
  return new S3Store(target, options);
}
