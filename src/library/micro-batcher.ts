import type { Extractor } from '../pipeline/extractor/extractor.ts';

/** Images that one caller waits for. */
interface Job {
  /** float32 [length] for each output, by image. */
  readonly results: Float32Array[][];
  left: number;
  resolve(results: Float32Array[][]): void;
  reject(error: unknown): void;
}

interface Row {
  readonly job: Job;
  readonly index: number;
  /** uint8 [height, width, 3] */
  readonly pixels: Uint8Array;
}

/**
 * Puts images of many callers into common batches. There is no timer: an idle network
 * takes what is there, and what comes while it works makes the next batch, up to the batch size.
 */
export class MicroBatcher {
  readonly #extractor: Pick<Extractor, 'run' | 'batchSize' | 'inFlight' | 'outputs'>;
  readonly #imageBytes: number;
  #waiting: Row[] = [];
  #running = 0;

  /** @param imageBytes height × width × 3 */
  constructor(
    extractor: Pick<Extractor, 'run' | 'batchSize' | 'inFlight' | 'outputs'>,
    imageBytes: number,
  ) {
    this.#extractor = extractor;
    this.#imageBytes = imageBytes;
  }

  /**
   * @param pixels uint8 [n, height, width, 3]; must stay as it is until the result is there
   * @returns for each image float32 [length] for each output
   * @throws EngineError; the signal's reason at once, even while the network is busy
   */
  run(pixels: Uint8Array, n: number, signal: AbortSignal): Promise<Float32Array[][]> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (n === 0) return resolve([]);
      const onAbort = () => job.reject(signal.reason);
      const end = () => {
        signal.removeEventListener('abort', onAbort);
        this.#waiting = this.#waiting.filter((row) => row.job !== job);
      };
      const job: Job = {
        results: new Array(n),
        left: n,
        resolve(results) {
          end();
          resolve(results);
        },
        reject(error) {
          end();
          reject(error);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      for (let index = 0; index < n; index++) {
        const bytes = pixels.subarray(index * this.#imageBytes, (index + 1) * this.#imageBytes);
        this.#waiting.push({ job, index, pixels: bytes });
      }
      this.#start();
    });
  }

  /** A second batch is sent along with the one at work only when it is full. */
  #start(): void {
    const { batchSize, inFlight } = this.#extractor;
    while (
      this.#waiting.length > 0 &&
      (this.#running === 0 || (this.#running < inFlight && this.#waiting.length >= batchSize))
    ) {
      const rows = this.#waiting.splice(0, batchSize);
      this.#running++;
      void this.#runBatch(rows).finally(() => {
        this.#running--;
        this.#start();
      });
    }
  }

  /** Never rejects: a failure rejects the job of every row. */
  async #runBatch(rows: readonly Row[]): Promise<void> {
    const { outputs } = this.#extractor;
    try {
      const pixels = new Uint8Array(rows.length * this.#imageBytes);
      for (const [i, row] of rows.entries()) pixels.set(row.pixels, i * this.#imageBytes);
      const values = await this.#extractor.run(pixels, rows.length);
      for (const [i, { job, index }] of rows.entries()) {
        // Copies: a caller that keeps one vector does not keep the batch.
        job.results[index] = outputs.map(({ length }, output) =>
          values[output].slice(i * length, (i + 1) * length),
        );
        job.left--;
        if (job.left === 0) job.resolve(job.results);
      }
    } catch (error) {
      for (const { job } of rows) job.reject(error);
    }
  }
}
