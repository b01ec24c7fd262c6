import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { PassThrough, Readable, type Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { resolveOptions } from '../../src/options/resolve-options.ts';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export type Told = Record<string, unknown> & { readonly event: string };

export interface WorkerEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  /** Each line of stderr, which must all be JSON. */
  readonly events: readonly Told[];
}

export interface StartedWorker {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly ended: Promise<WorkerEnd>;
  /** Waits for an event of that name. */
  told(event: string): Promise<Told>;
  /** Waits for so many bytes on stdout. */
  answered(bytes: number): Promise<void>;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** In a process group of its own. */
  readonly detached?: boolean;
  /** Leave the answer in the pipe. */
  readonly readsAnswer?: boolean;
}

/** Starts the built `img2features worker`. */
export function startWorker(args: readonly string[], options: StartOptions = {}): StartedWorker {
  const { cwd, env = {}, detached = false, readsAnswer = true } = options;
  const child = spawn(process.execPath, [CLI, 'worker', ...args], {
    cwd,
    detached,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => {}); // a worker that ended takes no more
  const chunks: Buffer[] = [];
  let bytes = 0;
  if (readsAnswer) {
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
    });
  }
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const events = () =>
    said
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Told);
  const ended = new Promise<WorkerEnd>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      try {
        resolve({ status, signal, stdout: Buffer.concat(chunks), events: events() });
      } catch {
        reject(new Error(`Expected events but the worker (${status ?? signal}) said: ${said}`));
      }
    });
  });
  return {
    child,
    ended,
    told: (name) =>
      until(
        () => events().find(({ event }) => event === name),
        name,
        () => said,
      ),
    async answered(wanted) {
      await until(
        () => bytes >= wanted || undefined,
        `${wanted} bytes`,
        () => said,
      );
    },
  };
}

/** Starts a worker, sends everything, waits for its end. */
export async function runWorker(
  args: readonly string[],
  input: Uint8Array | readonly Uint8Array[],
  options: StartOptions = {},
): Promise<WorkerEnd> {
  const { child, ended } = startWorker(args, options);
  for (const bytes of input instanceof Uint8Array ? [input] : input) child.stdin.write(bytes);
  child.stdin.end();
  return ended;
}

/**
 * The same answer from the code that serves, in this process: a fifth of the processor time. For tests of what is answered;
 * `runWorker` for those of the process (its pipes, exit status, signals).
 */
export async function serveInProcess(
  given: Record<string, unknown>,
  input: Uint8Array | readonly Uint8Array[],
  cwd = process.cwd(),
): Promise<Pick<WorkerEnd, 'stdout' | 'events'> & { readonly error: unknown }> {
  const { serve } = await load<typeof import('../../src/worker/serve.ts')>('worker/serve.js');
  const output = new PassThrough();
  const chunks: Buffer[] = [];
  output.on('data', (chunk: Buffer) => chunks.push(chunk));
  const events: Told[] = [];
  const before = process.cwd();
  process.chdir(cwd);
  try {
    const error = await serve({
      options: resolveOptions({ input: '-', out: '-', k: 0, ...given }),
      input: Readable.from(input instanceof Uint8Array ? [input] : input),
      output,
      journalDir: undefined,
      signal: new AbortController().signal,
      onEvent: (event) => void events.push(event as unknown as Told),
    }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    return { error, stdout: Buffer.concat(chunks), events };
  } finally {
    process.chdir(before);
  }
}

/** A module of dist/ as Node loads it: its threads are started beside it. */
function load<T>(name: string): Promise<T> {
  return import(/* @vite-ignore */ new URL(`../../dist/${name}`, import.meta.url).href);
}

/** What is there at last; fails after 30 s. */
export async function until<T>(
  look: () => T | undefined,
  what: string,
  describe: () => string = () => '',
): Promise<T> {
  for (let tries = 0; tries < 1500; tries++) {
    const found = look();
    if (found !== undefined) return found;
    await delay(20);
  }
  throw new Error(`Waited in vain for ${what}. ${describe()}`);
}

/** Processes below `pid`, from /proc. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It ended just now.
    }
  }
  const below = (parent: number): number[] =>
    [...parents].flatMap(([child, its]) => (its === parent ? [child, ...below(child)] : []));
  return below(pid);
}

/** Resolves once none of the processes is there any more. */
export async function allGone(pids: readonly number[]): Promise<void> {
  await until(() => (pids.some(isAlive) ? undefined : true), `the end of ${pids.join(', ')}`);
}

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}
