import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CliResult, startCli } from '../e2e/run-cli.ts';

const preload = join(import.meta.dirname, 'kill-at-step.cjs');

export interface KilledAt {
  /** 1 is the first: see kill-at-step.cjs; 0 lets the command come to its end. */
  readonly step: number;
  readonly moment: 'before' | 'after';
  /** Gets one line for each step. */
  readonly stepsTo?: string;
}

/** Runs the command until it kills itself at a step; its status is null then. */
export function runUntilStep(cwd: string, at: KilledAt, args: string[]): Promise<CliResult> {
  const { step, moment, stepsTo } = at;
  const inherited = {
    NODE_OPTIONS: `--require=${preload}`,
    KILL_AT: `${step}:${moment}`,
    ...(stepsTo !== undefined && { STEPS_TO: stepsTo }),
  };
  Object.assign(process.env, inherited);
  try {
    return startCli(cwd, ...args).finished;
  } finally {
    for (const name of Object.keys(inherited)) delete process.env[name];
  }
}

/** Before the first of two steps, after the second, so that both come to even and odd ones. */
export function momentOf(step: number): 'before' | 'after' {
  return step % 4 < 2 ? 'after' : 'before';
}

/** Runs the command and kills it after a while. @returns false when it ended before */
export async function runUntil(cwd: string, ms: number, args: string[]): Promise<boolean> {
  const { child, finished } = startCli(cwd, ...args);
  const ended = finished.then(() => 'ended');
  const isKilled = (await Promise.race([ended, sleep(ms)])) !== 'ended' && child.kill('SIGKILL');
  await finished;
  return isKilled;
}
