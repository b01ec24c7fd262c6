import type { UpdateCounts } from '../../events.ts';
import type { ExtractOptions } from '../../options/extract-options.ts';
import { readFinishedState } from '../../run/finished-state.ts';
import type { Manifest } from '../../run/manifest.ts';
import { workFolder } from '../work-folder.ts';
import { compareManifests } from './compare-manifests.ts';

/**
 * What `--update` would find, by the lists alone: nothing is locked, read again or written, and options are
 * not compared.
 *
 * @returns undefined where no run has finished
 */
export async function previewUpdate(
  options: ExtractOptions,
  manifest: Manifest,
): Promise<UpdateCounts | undefined> {
  const before = await readFinishedState(workFolder(options));
  if (before === undefined) return undefined;
  const asBefore = { hasMoreTime: false, isReadable: async () => false };
  return (await compareManifests(before, manifest, asBefore)).counts;
}

/** Images that an update computes. */
export function wantedImages({ added, changed, retried }: UpdateCounts): number {
  return added + changed + retried;
}
