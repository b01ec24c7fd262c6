import type { ExtractOptions } from '../options/extract-options.ts';
import { readRunIdentity } from '../run/run-identity.ts';
import { workFolder } from './work-folder.ts';

/**
 * The batch size of the run in the work folder, begun or finished: going on with it, or bringing it up to
 * date, uses the same. undefined where a run begins.
 * @throws RunError when the run there is of another version
 */
export async function recordedBatch(
  options: Pick<ExtractOptions, 'out' | 'workDir' | 's3Endpoint' | 'overwrite'>,
): Promise<number | undefined> {
  if (options.overwrite) return undefined;
  const batch = (await readRunIdentity(workFolder(options)))?.identity.batch;
  return typeof batch === 'number' ? batch : undefined;
}
