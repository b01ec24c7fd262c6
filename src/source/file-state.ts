import type { Stats } from 'node:fs';
import type { SourceEntry } from './source.ts';

/** What the listing keeps of a file, to recognise it later. */
export function fileState(stats: Stats): Pick<SourceEntry, 'size' | 'version' | 'stamp'> {
  const { size, mtimeMs, ctimeMs, ino } = stats;
  return { size, version: String(mtimeMs), stamp: `${ctimeMs} ${ino}` };
}
