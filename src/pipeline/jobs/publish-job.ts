import { jobName } from '../../options/option-values.ts';
import { manifestBytes } from '../../run/manifest.ts';
import { runRejections, writeRejections } from '../../run/rejections.ts';
import { buildRunJson, publishRun, type RunJson } from '../../run/run-json.ts';
import { shardFileName } from '../../run/shard-records.ts';
import { writeAll, writeWhole } from '../../storage/output-store.ts';
import { placeInOutput } from '../../storage/place-file.ts';
import { runFacts } from '../describe-run.ts';
import { JOB_FOLDER } from '../prepare-output.ts';
import type { Run } from '../run.ts';

/** In a job's output: its list of images, and of each of its shards the rows and the record. */
export const JOB_LIST = `${JOB_FOLDER}/manifest.jsonl`;

/** `job/00007.bin` */
export function jobFile(id: number, extension: 'bin' | 'json'): string {
  return `${JOB_FOLDER}/${shardFileName(id, extension)}`;
}

/**
 * Ends a job (`--shard 3/16`): puts what `merge` needs into its output. Like any run it then drops its rows from the work folder; in
 * an output on the same disk they are the same files under another name.
 */
export async function publishJob(run: Run): Promise<RunJson> {
  const { output, store, manifest, signal } = run;
  const { shard, ...identity } = run.identity;
  const files = [await writeAll(await output.create(JOB_LIST), manifestBytes(manifest))];
  for (const { id } of store.plan.shards) {
    signal.throwIfAborted();
    const { bytes, sha256 } = store.shardRecord(id);
    const { rows, record } = await store.storedShard(id);
    await placeInOutput(rows, output, jobFile(id, 'bin'));
    files.push({ name: jobFile(id, 'bin'), bytes, sha256 });
    files.push(await writeWhole(output, jobFile(id, 'json'), Buffer.from(record)));
  }
  const rejections = [...runRejections(manifest, store)];
  files.push(await writeRejections(output, rejections));
  const job = {
    shard: jobName(run.options.shard!),
    images: manifest.count,
    manifestSha256: manifest.sha256,
    identity,
  };
  const end = { ...run, reducers: [], rejections, files };
  const json = buildRunJson({ ...(await runFacts(end)), job });
  await publishRun(output, json);
  await store.finish();
  return json;
}
