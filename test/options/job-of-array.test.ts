import { expect, test } from 'vitest';
import { jobOfArray } from '../../src/options/job-of-array.ts';
import { jobShard } from '../../src/options/option-values.ts';

const slurm = (id: number, min = 1, max = 16, count = max - min + 1) => ({
  SLURM_ARRAY_TASK_ID: String(id),
  SLURM_ARRAY_TASK_MIN: String(min),
  SLURM_ARRAY_TASK_MAX: String(max),
  SLURM_ARRAY_TASK_COUNT: String(count),
});

test('a job is given as its number, from 1, and the number of jobs', () => {
  const parse = jobShard();
  expect(parse('3/16', 'shard')).toEqual({ index: 3, of: 16 });
  expect(parse('1/1', 'shard')).toEqual({ index: 1, of: 1 });
  for (const wrong of ['0/16', '17/16', '3', '3/', '/16', '-1/4', '1.5/4', 'auto', '3/16/2', '']) {
    expect(() => parse(wrong, 'shard'), wrong).toThrow(
      'a job of several, counted from 1, such as 3/16',
    );
  }
});

test('what is no auto is left as it is', () => {
  expect(jobOfArray('3/16', slurm(5))).toBe('3/16');
});

test('auto takes a task of SLURM by its order, whatever the first number is', () => {
  expect(jobOfArray('auto', slurm(1))).toBe('1/16');
  expect(jobOfArray('auto', slurm(0, 0, 15))).toBe('1/16');
  expect(jobOfArray('auto', slurm(15, 0, 15))).toBe('16/16');
});

test('auto refuses what looks like some tasks of an array that are run again', () => {
  expect(() => jobOfArray('auto', slurm(3, 3, 3))).toThrow('1 of 3 to 3');
  expect(() => jobOfArray('auto', slurm(3, 3, 7, 2))).toThrow('2 of 3 to 7');
  expect(jobOfArray('auto/16', slurm(3, 3, 7, 2))).toBe('3/16');
  expect(() => jobOfArray('auto/16', slurm(0, 0, 15))).toThrow('found task 0');
});

test('Kubernetes counts from 0 and does not say of how many', () => {
  expect(jobOfArray('auto/16', { JOB_COMPLETION_INDEX: '0' })).toBe('1/16');
  expect(jobOfArray('auto/16', { JOB_COMPLETION_INDEX: '15' })).toBe('16/16');
  expect(() => jobOfArray('auto', { JOB_COMPLETION_INDEX: '0' })).toThrow(
    'does not say its completions',
  );
});

test('outside of an array, and with a number that is none, auto is refused', () => {
  expect(() => jobOfArray('auto/4', {})).toThrow('SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX');
  expect(() => jobOfArray('auto/4', { SLURM_ARRAY_TASK_ID: 'x' })).toThrow('found "x"');
  expect(() => jobOfArray('auto', { SLURM_ARRAY_TASK_ID: '1' })).toThrow('SLURM_ARRAY_TASK_COUNT');
});
