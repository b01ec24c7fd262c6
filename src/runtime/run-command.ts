import { spawn } from 'node:child_process';
import { errnoOf } from '../errors.ts';

export interface CommandResult {
  /** Exit status; undefined when the program was not found or a signal ended it. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** True when there is no such program. */
  readonly missing: boolean;
  /** Signal that ended it, e.g. "SIGKILL". */
  readonly signal: string | undefined;
}

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv;

  readonly timeoutMs?: number;
  /** Kept of each stream, from its end. Default: 64 Ki, as messages need the end. */
  readonly keptChars?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a program without a shell and collects what it prints. A failing or missing program is a
 * result, not an exception; an abort rejects with the signal's reason once the program has ended.
 */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { env = process.env, timeoutMs, keptChars = 64 * 1024, signal } = options;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const child = spawn(program, args, {
      env,
      signal,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(-keptChars);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-keptChars);
    });
    // Not spawn's own `timeout`: its timer keeps the process alive when the program is not found.
    const timer = timeoutMs ? setTimeout(() => child.kill(), timeoutMs) : undefined;
    let missing = false;
    child.on('error', (error) => {
      clearTimeout(timer);
      if (error.name === 'AbortError') return; // `close` follows when it has ended
      const code = errnoOf(error);
      missing = code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR';
      if (!missing) reject(error);
      else resolve({ status: undefined, stdout, stderr, missing, signal: undefined });
    });
    child.on('close', (status, endedBy) => {
      clearTimeout(timer);
      if (signal?.aborted) reject(signal.reason);
      else
        resolve({
          status: status ?? undefined,
          stdout,
          stderr,
          missing,
          signal: endedBy ?? undefined,
        });
    });
  });
}
