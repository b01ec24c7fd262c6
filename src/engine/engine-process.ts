import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import {
  EngineError,
  Interrupted,
  interruption,
  ModelError,
  OptionError,
  RuntimeError,
} from '../errors.ts';
import { GpuUnused } from '../runtime/choose-device.ts';
import type { GpuCause } from '../runtime/gpu-cause.ts';
import { ChildOutput } from './child-output.ts';
import { OutOfMemory } from './out-of-memory.ts';
import {
  type DoneMessage,
  type EngineReply,
  type EngineRequest,
  type FailedMessage,
  Lines,
  type Numbered,
  type ReadyMessage,
} from './protocol.ts';

const STOPPED = 'Expected the batch to finish but the run was asked to stop.';

const CHILD = fileURLToPath(new URL('../../dist/engine/child.js', import.meta.url));
const PIPE = 3;
const REPLIES = 4;
/** How long the process may take to end once its last batch is answered. */
const CLOSE_MS = 5000;
/** How long its last output may take to arrive after its exit. */
const LAST_WORDS_MS = 200;

type Answer<T extends EngineRequest> = T extends { readonly type: 'start' }
  ? ReadyMessage
  : DoneMessage;

interface Pending {
  readonly id: number;
  resolve(reply: EngineReply): void;
  reject(error: Error): void;
}

export interface EngineProcessOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly onLog: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Descriptor of the memory that it shares with the run. */
  readonly memory: number;
}

/**
 * One engine process and the requests it has not answered. Requests are answered in the order they
 * are sent. When the process ends, for any reason, every open request is rejected.
 */
export class EngineProcess {
  readonly #child: ChildProcess;
  readonly #pipe: Writable;
  readonly #output: ChildOutput;
  readonly #lines = new Lines();
  readonly #pending: Pending[] = [];
  readonly #signal: AbortSignal | undefined;
  readonly #exited: Promise<void>;
  /** Why no request can be answered any more. */
  #ended: Error | undefined;
  #nextId = 0;

  constructor({ env, onLog, signal, memory }: EngineProcessOptions) {
    if (signal?.aborted) throw interruption(signal, STOPPED);
    // Newer Node releases warn about what tfjs-node's dependencies use.
    this.#child = spawn(process.execPath, ['--no-deprecation', CHILD], {
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', memory],
      windowsHide: true,
    });
    this.#output = new ChildOutput(onLog, Number(process.env.TF_CPP_MIN_LOG_LEVEL ?? 1));
    this.#output.listen(this.#child.stdout as Readable);
    this.#output.listen(this.#child.stderr as Readable);
    this.#pipe = this.#child.stdio[PIPE] as Writable;
    const replies = this.#child.stdio[REPLIES] as Readable;
    replies.setEncoding('utf8').on('data', (text: string) => this.#receive(text));
    // A write to a process that has ended fails here; its exit says why.
    this.#pipe.on('error', () => {});
    this.#exited = new Promise((resolve) => this.#watchExit(resolve));
    this.#signal = signal;
    signal?.addEventListener('abort', this.#interrupt, { once: true });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** What TensorFlow has printed so far about a GPU that it does not use. */
  gpuCause(): GpuCause | undefined {
    return this.#output.gpuCause();
  }

  /** @throws the error of a reply that failed; why there is none any more */
  async request<T extends EngineRequest>(request: T): Promise<Answer<T>> {
    if (this.#ended !== undefined) throw this.#ended;
    const id = this.#send(request);
    const reply = await new Promise<EngineReply>((resolve, reject) => {
      this.#pending.push({ id, resolve, reject });
    });
    return reply as Answer<T>;
  }

  /** Ends the process: in order when nothing is open, at once otherwise. Safe to call again. */
  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#interrupt);
    const isIdle = this.#pending.length === 0;
    const isRunning = this.#ended === undefined;
    this.#end(new EngineError('Expected an open engine but found that it was closed.'));
    if (isIdle && isRunning) this.#send({ type: 'close' });
    else this.#child.kill('SIGKILL');
    const deadline = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS);
    await this.#exited;
    clearTimeout(deadline);
  }

  readonly #interrupt = (): void => {
    this.#end(interruption(this.#signal!, STOPPED));
    this.#child.kill('SIGKILL');
  };

  #send(request: EngineRequest): number {
    const id = this.#nextId++;
    this.#pipe.write(`${JSON.stringify({ ...request, id })}\n`);
    return id;
  }

  #receive(text: string): void {
    try {
      for (const line of this.#lines.push(text)) this.#settle(JSON.parse(line));
    } catch (cause) {
      this.#end(
        new EngineError(`Expected the engine's reply but found: ${(cause as Error).message}`, {
          cause,
        }),
      );
      this.#child.kill('SIGKILL');
    }
  }

  #settle(reply: Numbered<EngineReply>): void {
    const pending = this.#pending.shift();
    if (pending === undefined) return;
    if (reply.id !== pending.id) {
      throw new EngineError(`Expected the reply to ${pending.id} but found one to ${reply.id}.`);
    }
    if (reply.type === 'failed') pending.reject(createError(reply));
    else pending.resolve(reply);
  }

  /** Rejects what is open and all that follows; the first reason stays. */
  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const { reject } of this.#pending.splice(0)) reject(this.#ended);
  }

  #watchExit(onExit: () => void): void {
    const finish = (code: number | null, signal: NodeJS.Signals | null) => {
      this.#end(this.#describeDeath(code, signal));
      this.#pipe.destroy();
      onExit();
    };
    this.#child.once('error', (cause) => {
      this.#end(
        new EngineError(`Expected the engine process to start but found: ${cause.message}`, {
          cause,
        }),
      );
      onExit();
    });
    // `close` follows when the output is read to its end, unless another process holds it open.
    this.#child.once('exit', (code, signal) => {
      const timer = setTimeout(finish, LAST_WORDS_MS, code, signal);
      this.#child.once('close', () => {
        clearTimeout(timer);
        finish(code, signal);
      });
    });
  }

  #describeDeath(code: number | null, signal: NodeJS.Signals | null): Error {
    // Ctrl-C reaches the whole process group, and the engine ignores it only once its code runs.
    if (signal === 'SIGINT' || signal === 'SIGTERM') {
      return new Interrupted(`Expected the engine process to start but found ${signal}.`);
    }
    const how = signal === null ? `exit status ${code}` : `signal ${signal}`;
    const cause = this.gpuCause();
    const lines = this.#output.lastLines();
    const words =
      lines.length === 0 ? 'it printed nothing' : `its last lines:\n${lines.join('\n')}`;
    return new EngineError(
      `Expected the engine process to run but found that it ended with ${how}${cause ? `, and ${cause.found}` : ''}; ${words}`,
      { fix: cause?.fix ?? fixForDeath(signal ?? signalOfStatus(code)) },
    );
  }
}

/** A shell convention that container run-times keep: 128 + the signal's number. */
function signalOfStatus(code: number | null): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => code === 128 + number)?.[0];
}

function fixForDeath(signal: string | undefined): string {
  switch (signal) {
    case 'SIGKILL':
      return 'The system probably ran out of memory: use a smaller --batch. The run can be resumed.';
    case 'SIGILL':
      return 'This CPU lacks instructions that the library uses: use --device wasm.';
    default:
      return 'Run `img2features doctor` to check the library; --device wasm runs without it. The run can be resumed.';
  }
}

function createError({ tag, message, fix, isOutOfMemory, isGpuUnused }: FailedMessage): Error {
  const classes = {
    engine: EngineError,
    model: ModelError,
    option: OptionError,
    runtime: RuntimeError,
  };
  const errorClass = isOutOfMemory ? OutOfMemory : isGpuUnused ? GpuUnused : classes[tag];
  return new errorClass(message, fix === undefined ? {} : { fix });
}
