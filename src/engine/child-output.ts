import type { Readable } from 'node:stream';
import { type GpuCause, gpuCause } from '../runtime/gpu-cause.ts';

/** Lines kept for the error that reports the process' death. */
const LAST_LINES = 20;
const MAX_LINE_CHARS = 2000;
const LOG_CHARS = 64 * 1024;

/**
 * What TensorFlow, its libraries and tfjs say at every start, whatever TF_CPP_MIN_LOG_LEVEL is:
 * nothing a user can act on.
 */
const CHATTER = [
  /oneDNN custom operations are on/,
  /To turn them off, set the environment variable/,
  /This TensorFlow binary is optimized/,
  /To enable the following instructions/,
  /All log messages before absl::InitializeLog/,
  /Unable to register cu(FFT|DNN|BLAS) factory/,
  /computation placer already registered/,
  /successful NUMA node read from SysFS/,
  /could not open file to read NUMA node/,
  /Could not find cuda drivers/,
  /failed call to cuInit/, // gpuCause has it
  /cuda_diagnostics\.cc/,
  /Allocation of \d+ exceeds \d+% of free system memory/,
  /Created device \/job:localhost/,
  /Loaded cuDNN version/,
  /oneDNN supports DT_\w+ only on platforms/,
  /MLIR V1 optimization pass is not enabled/,
  /StreamExecutor (device|with GPU)/,
  /XLA service 0x/,
  /looks like you are running TensorFlow\.js in Node\.js/,
  /^\s*=*\s*$/,
];

/** "I0000 00:00:… file.cc:1]", before TensorFlow 2.20 "2024-05-01 10:00:00.1: I file.cc:1]". */
const SEVERITY = /^(?:\d{4}-\d\d-\d\d [\d:.]+: )?([IWEF])(?:\d{4})? /;

/** The last lines that a process printed; each line that is not known noise goes to `onLog` at once. */
export class ChildOutput {
  readonly #onLog: (line: string) => void;
  readonly #minLogLevel: number;
  readonly #last: string[] = [];
  /** TensorFlow's lines until it is loaded, which say why it uses no GPU. */
  #log = '';

  /** @param minLogLevel as TF_CPP_MIN_LOG_LEVEL counts: less serious lines are not reported */
  constructor(onLog: (line: string) => void, minLogLevel = 1) {
    this.#onLog = onLog;
    this.#minLogLevel = minLogLevel;
  }

  /** Reads `stream` until it ends. */
  listen(stream: Readable): void {
    let rest = '';
    // Invalid UTF-8 must not fail here: the decoder replaces it.
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      const lines = (rest + text).split(/\r?\n/);
      rest = lines.pop()!.slice(-MAX_LINE_CHARS);
      for (const line of lines) this.#take(line);
    });
    stream.on('end', () => this.#take(rest));
    // The exit of the process reports its end, not its streams.
    stream.on('error', () => {});
  }

  /** At most 20, oldest first. */
  lastLines(): readonly string[] {
    return this.#last;
  }

  gpuCause(): GpuCause | undefined {
    return gpuCause(this.#log);
  }

  #take(line: string): void {
    if (this.#log.length < LOG_CHARS) this.#log += `${line.slice(0, MAX_LINE_CHARS)}\n`;
    const severity = SEVERITY.exec(line)?.[1];
    if (severity !== undefined && 'IWEF'.indexOf(severity) < this.#minLogLevel) return;
    if (CHATTER.some((pattern) => pattern.test(line))) return;
    const short = line.slice(0, MAX_LINE_CHARS);
    this.#last.push(short);
    if (this.#last.length > LAST_LINES) this.#last.shift();
    this.#onLog(short);
  }
}
