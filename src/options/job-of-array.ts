import { OptionError } from '../errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const FIX = 'Give the job and the number of jobs, counted from 1: --shard 3/16.';

/**
 * `--shard auto` and `auto/16` as `3/16`: which task of an array this is. SLURM's tasks are jobs by their order with `auto`, by their
 * number from 1 with `auto/16`, so that a few of them can be run again; Kubernetes counts from 0 and does not say of how many.
 * @throws OptionError where the environment does not tell it
 */
export function jobOfArray(value: unknown, env: Environment): unknown {
  const found = /^auto(?:\/(\d+))?$/.exec(String(value).trim());
  if (found === null) return value;
  const given: string | undefined = found[1];
  if (env.SLURM_ARRAY_TASK_ID !== undefined) return jobOfSlurm(env, given);
  if (env.JOB_COMPLETION_INDEX === undefined) {
    throw new OptionError(
      `Expected SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX for --shard ${value} but found neither.`,
      { fix: FIX },
    );
  }
  if (given === undefined) {
    throw new OptionError(
      'Expected the number of jobs for --shard auto but found a Kubernetes job, which does not say its completions.',
      { fix: 'Give it: --shard auto/16.' },
    );
  }
  return `${numberOf(env, 'JOB_COMPLETION_INDEX') + 1}/${given}`;
}

function jobOfSlurm(env: Environment, of: string | undefined): string {
  const id = numberOf(env, 'SLURM_ARRAY_TASK_ID');
  if (of !== undefined) {
    if (id > 0) return `${id}/${of}`;
    throw new OptionError(`Expected tasks from 1 on for --shard auto/${of} but found task 0.`, {
      fix: `Number them so: sbatch --array=1-${of}. --shard auto takes any first number.`,
    });
  }
  const [count, first, last] = ['COUNT', 'MIN', 'MAX'].map((name) =>
    numberOf(env, `SLURM_ARRAY_TASK_${name}`),
  );
  // Some tasks of an array that are run again look like an array of their own.
  if (count > 1 && last - first + 1 === count) return `${id - first + 1}/${count}`;
  throw new OptionError(
    `Expected an array of several tasks without gaps for --shard auto but found ${count} of ${first} to ${last}.`,
    { fix: `For some tasks of an array say how many there are in all: --shard auto/16. ${FIX}` },
  );
}

function numberOf(env: Environment, name: string): number {
  const text = env[name] ?? '';
  if (/^\d+$/.test(text)) return Number(text);
  throw new OptionError(
    `Expected a number in ${name} for --shard but found ${JSON.stringify(text)}.`,
    { fix: FIX },
  );
}
