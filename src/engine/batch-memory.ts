import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../errors.ts';
import { findAddon, type LoadedAddon, requireAddon } from '../runtime/addons.ts';
import type { EngineOutput } from './engine.ts';

/** Parts are whole pages: TensorFlow takes a tensor in place at a multiple of 64. */
const PAGE_BYTES = 4096;
const ALIGNMENT = 64;
/** Node reads and writes less than 2^31 bytes in one call. */
const CALL_BYTES = 2 ** 30;

/** What native/memory/addon.cc exports. */
interface MemoryAddon {
  /** A file descriptor of memory without a name. */
  create(): number;
  /** So many bytes from an offset on, reserved; the same memory in each process that has the descriptor. */
  map(fd: number, offset: number, bytes: number): ArrayBuffer;
}

let found: (LoadedAddon<MemoryAddon> & { readonly path: string }) | undefined;

function findMemory() {
  const path = findAddon('memory') ?? '';
  found ??= { path, ...load(path) };
  return found;
}

function load(path: string): LoadedAddon<MemoryAddon> {
  if (path === '') return { why: '`img2features setup` has not built the addon for it here' };
  return requireAddon<MemoryAddon>(path, () => undefined);
}

/** Why batches are written to a file and read from there; undefined where they are not. */
export function whyNoSharedMemory(): string | undefined {
  return findMemory().why;
}

/** Where the features begin in a batch's part: behind its pixels. */
export function outputsOffset(pixelBytes: number): number {
  return Math.ceil(pixelBytes / ALIGNMENT) * ALIGNMENT;
}

/** In the part that begins with these pixels: float32 [images, length] for each output, one after the other. */
export function partFeatures(
  { buffer, length: pixelBytes }: Uint8Array,
  outputs: readonly EngineOutput[],
  images: number,
): Float32Array<ArrayBuffer>[] {
  let at = outputsOffset(pixelBytes);
  return outputs.map(({ length }) => {
    const values = new Float32Array(buffer as ArrayBuffer, at, images * length);
    at += values.byteLength;
    return values;
  });
}

/**
 * Memory that a run shares with its engine processes, in parts: each holds a batch, and then what the network makes of it.
 * All of them map it where this machine has the addon; else it is a file without a name, into which `send` writes and from
 * which `receive` reads. Either way nothing is left of it once the last process that has it ends, however that happens.
 */
export class BatchMemory {
  /** For the engine processes to inherit. */
  readonly fd: number;
  /** Of what maps it; undefined where it is written and read. */
  readonly addonPath: string | undefined;
  readonly #addon: MemoryAddon | undefined;
  /** Offsets in it. */
  readonly #offsets = new Map<ArrayBufferLike, number>();
  /** Parts that nobody uses. */
  readonly #free: ArrayBuffer[] = [];
  #bytes = 0;
  #isClosed = false;

  /**
   * In an engine process: the memory of the run, by the descriptor that it was started with.
   * @param addonPath the run's own
   */
  constructor(fd: number, addonPath: string | undefined, addon = addonPath && load(addonPath)) {
    if (addon && addon.addon === undefined) {
      throw new EngineError(`Expected the run's memory but found: ${addon.why}.`);
    }
    this.fd = fd;
    this.addonPath = addonPath;
    this.#addon = addon ? addon.addon : undefined;
  }

  /** @param canMap false: as on a machine without the addon */
  static create(canMap = true): BatchMemory {
    const memory = findMemory();
    if (canMap && memory.addon !== undefined) {
      try {
        return new BatchMemory(memory.addon.create(), memory.path, memory);
      } catch {
        // A system may forbid such memory.
      }
    }
    const path = join(tmpdir(), `img2features-${process.pid}-${performance.now()}`);
    try {
      const fd = openSync(path, 'wx+', 0o600);
      rmSync(path);
      return new BatchMemory(fd, undefined);
    } catch (cause) {
      throw memoryError(cause);
    }
  }

  /** The beginning of a part that nobody uses. It is the caller's until `give`. @throws EngineError */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    const i = this.#free.findIndex(({ byteLength }) => byteLength >= bytes);
    if (i !== -1) return new Uint8Array(this.#free.splice(i, 1)[0], 0, bytes);
    const whole = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    const part = this.open(this.#bytes, whole);
    this.#bytes += whole;
    return new Uint8Array(part, 0, bytes);
  }

  /** Gives back the part that these bytes are in. @throws EngineError where it is free: two batches would share it */
  give({ buffer }: Uint8Array): void {
    if (this.#free.includes(buffer as ArrayBuffer)) {
      throw new EngineError(
        'Expected memory of a batch that is in work but found that it was given back before; rows would be mixed up.',
      );
    }
    this.#free.push(buffer as ArrayBuffer);
  }

  /** Whether it is in a part that was taken here. */
  has({ buffer }: Uint8Array): boolean {
    return this.#offsets.has(buffer);
  }

  /** Where the part begins that these bytes are in. */
  offsetOf({ buffer }: Uint8Array): number {
    return this.#offsets.get(buffer)!;
  }

  /** The part at an offset. @throws EngineError */
  open(offset: number, bytes: number): ArrayBuffer {
    let part: ArrayBuffer;
    try {
      part = this.#addon?.map(this.fd, offset, bytes) ?? new ArrayBuffer(bytes);
    } catch (cause) {
      throw memoryError(cause);
    }
    this.#offsets.set(part, offset);
    return part;
  }

  /** Lets the other processes see these values of a part. @throws EngineError */
  send(values: Uint8Array | Float32Array): void {
    this.#transfer(values, writeSync);
  }

  /** Sees what another process has sent of a part. @throws EngineError */
  receive(values: Uint8Array | Float32Array): void {
    this.#transfer(values, readSync);
  }

  #transfer(
    values: Uint8Array | Float32Array,
    call: (
      ...args: [fd: number, to: Uint8Array, from: number, count: number, at: number]
    ) => number,
  ): void {
    if (this.#addon !== undefined) return;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const at = this.offsetOf(bytes) + bytes.byteOffset;
    try {
      for (let done = 0; done < bytes.length; ) {
        const most = Math.min(bytes.length - done, CALL_BYTES);
        const count = call(this.fd, bytes, done, most, at + done);
        if (count === 0) throw new Error('its end');
        done += count;
      }
    } catch (cause) {
      throw memoryError(cause);
    }
  }

  /** What is mapped stays until nothing refers to it. Safe to call again. */
  close(): void {
    if (!this.#isClosed) closeSync(this.fd);
    this.#isClosed = true;
  }
}

function memoryError(cause: unknown): EngineError {
  const found = cause instanceof Error ? cause.message : String(cause);
  return new EngineError(
    `Expected memory for the batches on their way to the network but found: ${found}.`,
    { fix: 'Use a smaller --batch, or free memory (and room for temporary files).', cause },
  );
}
