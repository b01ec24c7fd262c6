import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** A folder of its own for one test file; `remove` takes it away again. */
export async function tempFolder(): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'img2features-e2e-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let isRunning = false;

/** For the few images of a test a second thread costs more than it saves. */
const ONE_THREAD = { IMG2FEATURES_WORKERS: '1' };

/**
 * Runs the built command in this process: half the processor time of a process of its own. For tests of what a command does;
 * `runCli` for those of the process (its streams, signals, memory).
 */
export function runInProcess(cwd: string, ...args: string[]): Promise<CliResult> {
  return watchInProcess(cwd, args, () => {});
}

/** The same; `onStdout` gets each text before the command continues. */
export async function watchInProcess(
  cwd: string,
  args: readonly string[],
  onStdout: (text: string) => void,
): Promise<CliResult> {
  const { runCommandLine } = await load('commands/run-command-line.js');
  let stdout = '';
  let stderr = '';
  if (isRunning)
    throw new Error('Expected one run at a time: the working folder is the process’s.');
  isRunning = true;
  const before = process.cwd();
  process.chdir(cwd);
  try {
    const status = await runCommandLine({
      argv: args,
      env: { ...ONE_THREAD, ...process.env },
      signal: new AbortController().signal,
      terminal: {
        isTerminal: false,
        columns: 80,
        stdout: (text: string) => {
          stdout += text;
          onStdout(text);
        },
        stderr: (text: string) => {
          stderr += text;
        },
        now: () => performance.now(),
      },
    });
    return { status, stdout, stderr };
  } finally {
    process.chdir(before);
    isRunning = false;
  }
}

/** Runs the built command to its end, as a user would in `cwd`. */
export function runCli(cwd: string, ...args: string[]): Promise<CliResult> {
  return startCli(cwd, ...args).finished;
}

/** A module of dist/ as Node loads it: its threads and processes are started beside it. */
function load(name: string): Promise<typeof import('../../src/commands/run-command-line.ts')> {
  return import(/* @vite-ignore */ new URL(`../../dist/${name}`, import.meta.url).href);
}

/** Starts the built command. */
export function startCli(cwd: string, ...args: string[]) {
  return startProgram(CLI, cwd, args);
}

/** Starts the built command, or a script in its place. */
export function startProgram(
  program: string,
  cwd: string,
  args: readonly string[],
): { child: ChildProcess; finished: Promise<CliResult> } {
  if (!existsSync(CLI))
    throw new Error('Expected dist/cli.js but found none: npm run build first.');
  const all = [program, ...args];
  const child = spawn(process.execPath, all, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const finished = new Promise<CliResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
  return { child, finished };
}

/** Files below `dir`, relative to it, sorted; a run's own records (`.img2features/`) are left out. */
export function listFiles(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .filter((name) => !name.startsWith('.img2features/'))
    .sort();
}

/** SHA-256 of every file of a finished run, less those that tell its times. */
export function tableHashes(out: string): Record<string, string> {
  const tellsTimes = new Set(['run.json', 'report.html', '_SUCCESS']);
  const hashes = listFiles(out)
    .filter((name) => !tellsTimes.has(name))
    .map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(out, name)))
        .digest('hex'),
    ]);
  return Object.fromEntries(hashes);
}
