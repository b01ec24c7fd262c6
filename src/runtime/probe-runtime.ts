/** Proves a runtime: loads it in a process of its own and runs one small convolution. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { RuntimeError } from '../errors.ts';
import { GPU_LOG, type GpuCause, gpuCause } from './gpu-cause.ts';
import type { LoadOptions } from './tensorflow-js.ts';
import { libraryEnvironment, type TensorFlowRuntime } from './tensorflow-runtime.ts';

export interface ProbeResult {
  /** Version that the loaded library itself states. */
  readonly tensorflow: string;
  readonly tfjsNode: string;
  /** Where the convolution ran. */
  readonly device: 'cuda' | 'cpu';
  /** Whether oneDNN's kernels are on, as the library's own log says; undefined when silent. */
  readonly oneDnn: boolean | undefined;
  /** What the library said about a GPU it cannot use; undefined when it uses one or was silent. */
  readonly gpuCause: GpuCause | undefined;
  /** Of the libraries that had to open, those that did not, each as the dynamic loader says it. */
  readonly unopened: readonly string[];
  /** Instructions that its kernels use beyond its baseline, e.g. "AVX2 FMA"; undefined when silent. */
  readonly cpuInstructions: string | undefined;
  /** Milliseconds until the library was loaded. */
  readonly loadMs: number;
  /** Milliseconds for the first convolution. */
  readonly convMs: number;
}

/** What the child finds; the rest is read from the library's log. */
export type ProbeFigures = Omit<ProbeResult, 'oneDnn' | 'gpuCause' | 'cpuInstructions'>;

/** What the child sends: a result, or why not. */
export type ProbeMessage = { readonly result: ProbeFigures } | { readonly error: string };

const PROBE_TIMEOUT_MS = 180_000;

/**
 * @throws RuntimeError naming what the library said when it does not load, computes a wrong
 *   number, crashes (a CPU without AVX gives SIGILL) or takes longer than three minutes.
 */
export async function probeRuntime(
  runtime: TensorFlowRuntime,
  options: LoadOptions & { libraries?: readonly string[]; signal?: AbortSignal } = {},
): Promise<ProbeResult> {
  const { signal, libraries = [], ...load } = options;
  const child = fork(fileURLToPath(new URL('./probe-child.js', import.meta.url)), {
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Level 0: the line that says whether oneDNN is on is an INFO line.
    env: { ...libraryEnvironment(runtime.libraryDirs), ...GPU_LOG },
    timeout: PROBE_TIMEOUT_MS,
    ...(signal && { signal }),
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-64 * 1024);
    });
  }
  const ended = new Promise<{ code: number | null; endedBy: string | null }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, endedBy) => resolve({ code, endedBy }));
  });
  let message: ProbeMessage | undefined;
  child.on('message', (value) => {
    message = value as ProbeMessage;
  });
  child.send({ runtime, load, libraries });
  const { code, endedBy } = await ended.catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
  if (message && 'result' in message) {
    const { result } = message;
    const cause = result.device === 'cuda' || load.hideGpu ? undefined : gpuCause(log);
    return {
      ...result,
      oneDnn: oneDnnState(log),
      cpuInstructions: /enable the following instructions: ([A-Z0-9_ ]+)/.exec(log)?.[1]?.trim(),
      gpuCause: cause,
    };
  }
  const cause = load.hideGpu ? undefined : gpuCause(log);
  const end = `it ended with ${endedBy ?? `status ${code}`}${cause ? `, and ${cause.found}` : ''}`;
  const why = message?.error ?? `${end}${lastLine(log)}`;
  throw new RuntimeError(
    `Expected TensorFlow's library in ${runtime.dir} to work but found: ${why}`,
    {
      fix:
        cause?.fix ?? 'Run `img2features setup --force` to install it again, or use --device wasm.',
    },
  );
}

/** undefined: this platform's library says nothing (no oneDNN in it, or another log format). */
function oneDnnState(log: string): boolean | undefined {
  if (/oneDNN custom operations are on/.test(log)) return true;
  return /oneDNN custom operations are off/.test(log) ? false : undefined;
}

function lastLine(log: string): string {
  const line = log.trim().split('\n').at(-1);
  return line ? `, after printing "${line.slice(0, 300)}"` : '';
}
