import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLI, type CliResult, startProgram } from '../e2e/run-cli.ts';

const preload = join(import.meta.dirname, 'kill-at-step.cjs');

/** What runs; by default the command. */
export interface Program {
  readonly program?: string;
  /** Scripts that all its processes load first. */
  readonly preloads?: readonly string[];
}

export interface KilledAt extends Program {
  /** 1 is the first: see kill-at-step.cjs; 0 lets the command come to its end. */
  readonly step: number;
  /** `engine`: an engine process kills itself in its batch of that number, warm-up included. */
  readonly moment: 'before' | 'after' | 'engine';
  /** Gets one line for each step. */
  readonly stepsTo?: string;
}

/** Runs the command until it kills itself at a step; its status is null then. */
export function runUntilStep(cwd: string, at: KilledAt, args: string[]): Promise<CliResult> {
  const { step, moment, stepsTo } = at;
  const steps = {
    KILL_AT: `${step}:${moment}`,
    ...(stepsTo !== undefined && { STEPS_TO: stepsTo }),
  };
  const program = { ...at, preloads: [preload, ...(at.preloads ?? [])] };
  return start(cwd, program, args, steps).finished;
}

function start(
  cwd: string,
  { program = CLI, preloads = [] }: Program,
  args: readonly string[],
  env: Record<string, string> = {},
) {
  const options = preloads.map((path) => `--require=${path}`).join(' ');
  const inherited = { NODE_OPTIONS: options, ...env };
  Object.assign(process.env, inherited);
  try {
    return startProgram(program, cwd, args);
  } finally {
    for (const name of Object.keys(inherited)) delete process.env[name];
  }
}

/** Before the first of two steps, after the second, so that both come to even and odd ones. */
export function momentOf(step: number): 'before' | 'after' {
  return step % 4 < 2 ? 'after' : 'before';
}

/** Runs the command and kills it after a while. @returns false when it ended before */
export async function runUntil(
  cwd: string,
  ms: number,
  args: string[],
  program: Program = {},
): Promise<boolean> {
  const { child, finished } = start(cwd, program, args);
  const ended = finished.then(() => 'ended');
  const isKilled = (await Promise.race([ended, sleep(ms)])) !== 'ended' && child.kill('SIGKILL');
  await finished;
  return isKilled;
}
