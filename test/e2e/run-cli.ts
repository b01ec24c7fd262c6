import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

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

/** Runs the built command to its end, as a user would in `cwd`. */
export function runCli(cwd: string, ...args: string[]): Promise<CliResult> {
  return startCli(cwd, ...args).finished;
}

/** Starts the built command. */
export function startCli(
  cwd: string,
  ...args: string[]
): { child: ChildProcess; finished: Promise<CliResult> } {
  if (!existsSync(CLI))
    throw new Error('Expected dist/cli.js but found none: npm run build first.');
  const child = spawn(process.execPath, [CLI, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
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
