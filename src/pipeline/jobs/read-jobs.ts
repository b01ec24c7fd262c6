import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { isImg2FeaturesError, RunError } from '../../errors.ts';
import { packageVersion } from '../../package-version.ts';
import { describeDifference, fingerprint, type RunIdentity } from '../../run/fingerprint.ts';
import { type Manifest, readManifest } from '../../run/manifest.ts';
import { describeManifestDifference } from '../../run/run-identity.ts';
import { type JobJson, type RunJson, readRunJson } from '../../run/run-json.ts';
import type { RunStore } from '../../run/run-store.ts';
import { type OutputStore, readWhole } from '../../storage/output-store.ts';
import { placeFromOutput } from '../../storage/place-file.ts';
import { JOB_FOLDER } from '../prepare-output.ts';
import { JOB_LIST, jobFile } from './publish-job.ts';

/** The output of a job that has ended. */
export interface Job {
  readonly output: OutputStore;
  readonly run: RunJson;
  readonly facts: JobJson;
  /** Names of its files in job/. */
  readonly names: readonly string[];
}

/**
 * Reads the outputs of jobs and checks that together they are one run: each job once, all of them, with the same
 * options, model, engine, version and list of images.
 * @returns in the order of the jobs
 * @throws RunError that names the job which is missing, double or different
 */
export async function readJobs(outputs: readonly OutputStore[]): Promise<Job[]> {
  const found: Job[] = [];
  for (const output of outputs) found.push(await readJob(output));
  const jobs = inOrder(found);
  refuseOtherRuns(jobs);
  await refuseOtherLists(jobs);
  return jobs;
}

async function readJob(output: OutputStore): Promise<Job> {
  const names = await output.list('');
  const isEnded = names.includes('_SUCCESS') && names.includes('run.json');
  const run = isEnded ? await readRunJson(output) : undefined;
  if (run?.job !== undefined) {
    return { output, run, facts: run.job, names: await output.list(JOB_FOLDER) };
  }
  const what = run !== undefined ? 'a run of its own' : 'none that has ended';
  throw new RunError(
    `Expected the output of a job for merge but found ${what} in ${output.target}.`,
    {
      fix:
        run !== undefined
          ? 'Name only the outputs of runs with --shard.'
          : 'Run that job to its end: the same command resumes it.',
    },
  );
}

/** @throws RunError unless each of the jobs is there once */
function inOrder(found: readonly Job[]): Job[] {
  const of = found[0].facts.shard.split('/')[1];
  const jobs: Job[] = [];
  for (const job of found) {
    const { shard } = job.facts;
    const [index, others] = shard.split('/');
    const twin = jobs[Number(index) - 1];
    if (others !== of) {
      const first = `${found[0].facts.shard} in ${found[0].output.target}`;
      throw new RunError(
        `Expected jobs of one run for merge but found ${first} and ${shard} in ${job.output.target}.`,
        { fix: 'Name the outputs of jobs that were started with the same number of jobs.' },
      );
    }
    if (twin !== undefined) {
      throw new RunError(
        `Expected each job once for merge but found ${shard} in ${twin.output.target} and in ${job.output.target}.`,
        { fix: 'Name one of the two.' },
      );
    }
    jobs[Number(index) - 1] = job;
  }
  const missing = Array.from({ length: Number(of) }, (_, i) => i).filter((i) => !(i in jobs));
  if (missing.length === 0) return jobs;
  const named = missing.slice(0, 20).map((i) => `${i + 1}/${of}`);
  throw new RunError(
    `Expected all ${of} jobs for merge but found ${found.length}: ${named.join(', ')}${missing.length > named.length ? ' …' : ''} missing.`,
    { fix: `Run it with --shard ${named[0]}, or name its output, too.` },
  );
}

/** What is chosen on each machine, where the user does not name it. */
const CHOSEN = ['device', 'engine', 'conv', 'batch'];

/** The run that most of the jobs belong to is the one that was meant. */
function refuseOtherRuns(jobs: readonly Job[]): void {
  const meant = mostOf(jobs, (job) => fingerprint(comparedOf(job)));
  for (const job of jobs) {
    const [expected, found] = [comparedOf(meant), comparedOf(job)];
    const [there, here] = [meant, job].map(({ output }) => output.target);
    const differences = describeDifference(
      expected,
      found,
      (name, was, is) => `${name} ${was} in ${there}, ${is} in ${here}`,
    );
    if (differences.length === 0) continue;
    const isChosen = CHOSEN.some((name) => expected[name] !== found[name]);
    const how = isChosen ? chosenOptions(expected) : 'the options and the version of the others';
    throw new RunError(
      `Expected jobs with the same options, model, engine and version for merge but found job ${job.facts.shard} different: ${differences.join('; ')}.`,
      { fix: `Run job ${job.facts.shard} again with ${how} and --overwrite.` },
    );
  }
  const { version } = meant.run;
  if (version === packageVersion()) return;
  throw new RunError(
    `Expected jobs of img2features ${packageVersion()} for merge but found those of ${version}.`,
    { fix: 'Merge them with the version that made them.' },
  );
}

/** As options, what the machines of a run chose. */
function chosenOptions({ engine, ...identity }: RunIdentity): string {
  const direct = engine === 'graph' ? 'direct' : undefined;
  const chosen: RunIdentity = { conv: direct, ...identity, engine };
  return CHOSEN.filter((name) => chosen[name] !== undefined)
    .map((name) => `--${name} ${chosen[name]}`)
    .join(' ');
}

function comparedOf({ run, facts }: Job): RunIdentity {
  return { ...facts.identity, 'img2features version': run.version as string };
}

async function refuseOtherLists(jobs: readonly Job[]): Promise<void> {
  const meant = mostOf(jobs, ({ facts }) => facts.manifestSha256);
  for (const job of jobs) {
    if (job.facts.manifestSha256 === meant.facts.manifestSha256) continue;
    const difference = describeManifestDifference(await listOf(meant), await listOf(job));
    throw new RunError(
      `Expected the same list of images in all jobs for merge but found another in job ${job.facts.shard} (${job.output.target}) than in job ${meant.facts.shard}: ${difference}.`,
      {
        fix: `Let no image change before all jobs have ended (copies must keep the times of the files: cp -p), then run job ${job.facts.shard} again with --overwrite.`,
      },
    );
  }
}

/** The first of those that are most alike. */
function mostOf(jobs: readonly Job[], keyOf: (job: Job) => string): Job {
  const groups = new Map<string, Job[]>();
  for (const job of jobs) groups.set(keyOf(job), [...(groups.get(keyOf(job)) ?? []), job]);
  return [...groups.values()].reduce((most, group) =>
    group.length > most.length ? group : most,
  )[0];
}

/** The list of images of a job. @throws RunError where it is missing or damaged */
export async function listOf(job: Job): Promise<Manifest> {
  const { output, facts } = job;
  expectThere(job, JOB_LIST);
  const path = `${output.target}/${JOB_LIST}`;
  const list = await readManifest(path, output.read(JOB_LIST)).catch(({ cause }) => {
    if (isImg2FeaturesError(cause)) throw cause; // the disk or the store, not what is in the file
  });
  if (list?.sha256 === facts.manifestSha256) return list;
  throw damaged(job, JOB_LIST);
}

/**
 * Takes over the stored rows of a shard.
 * @throws RunError that says which job to run again, where a file of it is missing or damaged
 */
export async function adoptShard(store: RunStore, id: number, job: Job): Promise<void> {
  const { output, run } = job;
  const [rows, name] = [jobFile(id, 'bin'), jobFile(id, 'json')];
  for (const one of [rows, name]) expectThere(job, one);
  const record = await readWhole(output, name);
  const sha256 = createHash('sha256').update(record).digest('hex');
  if (run.files.find((file) => file.name === name)?.sha256 !== sha256) throw damaged(job, name);
  const place = (path: string) => placeFromOutput(output, rows, path);
  if (!(await store.adoptShard(id, record.toString(), place))) throw damaged(job, rows);
}

function expectThere(job: Job, name: string): void {
  if (!job.names.includes(basename(name))) throw damaged(job, name, 'none');
}

function damaged({ output, facts }: Job, name: string, found = 'a damaged file'): RunError {
  return new RunError(
    `Expected ${name} of job ${facts.shard} in ${output.target} as that job wrote it but found ${found}.`,
    { fix: `Run job ${facts.shard} again with --overwrite, then merge again.` },
  );
}
