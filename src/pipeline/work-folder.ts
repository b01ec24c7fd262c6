import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { RunEvent } from '../events.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { expectPath, isInStore } from '../place.ts';
import { WORK_FOLDER } from '../run/run-store.ts';
import { cacheDir } from '../runtime/cache-dir.ts';
import { parseS3Url } from '../s3/s3-address.ts';
import { namedEndpoint } from '../s3/s3-options.ts';

/**
 * Where a run keeps its own state: inside --out; for a store, or with --work-dir, in a folder on disk named after
 * the output, so that the same command finds it again.
 */
export function workFolder(
  options: Pick<ExtractOptions, 'out' | 'workDir' | 's3Endpoint'>,
  onEvent: (event: RunEvent) => void = () => {},
): string {
  const { out, workDir } = options;
  if (workDir === undefined && !isInStore(out, '--out')) return join(resolve(out), WORK_FOLDER);
  const parent =
    workDir === undefined ? join(cacheDir(), 'work') : resolve(expectPath(workDir, '--work-dir'));
  const folder = join(parent, hashOf(outputName(options)));
  onEvent({ event: 'note', message: `State of this run, which resuming needs: ${folder}` });
  return folder;
}

/** One name for one place: `s3a://b/p/` at an endpoint is `s3://b/p` there. */
function outputName({ out, s3Endpoint }: Pick<ExtractOptions, 'out' | 's3Endpoint'>): string {
  if (!isInStore(out, '--out')) return resolve(out);
  const { bucket, key } = parseS3Url(out);
  const endpoint = namedEndpoint({ endpoint: s3Endpoint }) ?? 'aws';
  return `${endpoint.replace(/\/+$/, '')} s3://${bucket}/${key.replace(/\/+$/, '')}`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
