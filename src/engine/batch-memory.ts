import { closeSync } from 'node:fs';
import { EngineError } from '../errors.ts';
import { findAddon, type LoadedAddon, requireAddon } from '../runtime/addons.ts';

/** Parts begin at whole pages: TensorFlow takes a tensor in place at a multiple of 64. */
const PAGE_BYTES = 4096;

/** What native/memory/addon.cc exports. */
interface MemoryAddon {
  /** A file descriptor of memory without a name. */
  create(): number;
  /** Its first so many bytes, reserved; the same memory in each process that has the descriptor. */
  map(fd: number, bytes: number): ArrayBuffer;
}

let loaded: (LoadedAddon<MemoryAddon> & { readonly path: string }) | undefined;

function load() {
  const path = findAddon('memory') ?? '';
  loaded ??= { path, ...loadFrom(path) };
  return loaded;
}

function loadFrom(path: string): LoadedAddon<MemoryAddon> {
  if (path === '') return { why: '`img2features setup` has not built the addon for it here' };
  return requireAddon<MemoryAddon>(path, () => undefined);
}

/** Why batches go through a pipe; undefined where they do not. */
export function whyNoSharedMemory(): string | undefined {
  return load().why;
}

/** In an engine process: the memory of the run, by the descriptor that it was started with and the run's own addon. */
export function mapMemory(fd: number, bytes: number, addonPath: string): ArrayBuffer {
  const { addon, why } = loadFrom(addonPath);
  if (addon === undefined) throw new EngineError(`Expected the run's memory but found: ${why}.`);
  return addon.map(fd, bytes);
}

/**
 * Memory that the run and its engine processes share, in parts of one size: each holds a batch, and then what the
 * network makes of it. Through a pipe both would be copied twice, and wait for the other side.
 */
export class BatchMemory {
  /** For the engine processes to inherit. */
  readonly fd: number;
  readonly addonPath: string;
  readonly #addon: MemoryAddon;
  #memory = new ArrayBuffer(0);
  #partBytes = 0;
  #isClosed = false;
  /** Offsets of the parts that nobody uses. */
  #free: number[] = [];

  private constructor(addon: MemoryAddon, addonPath: string) {
    this.addonPath = addonPath;
    this.#addon = addon;
    this.fd = addon.create();
  }

  /** @returns undefined where this machine has none: a pipe does the same */
  static open(): BatchMemory | undefined {
    const { addon, path } = load();
    try {
      return addon && new BatchMemory(addon, path);
    } catch {
      return undefined;
    }
  }

  /** All that is mapped, bytes. */
  get bytes(): number {
    return this.#memory.byteLength;
  }

  /** Makes it so many parts, each for so many bytes; once. Where memory does not hold them there are none. */
  reserve(parts: number, bytes: number): void {
    this.#partBytes = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    try {
      this.#memory = this.#addon.map(this.fd, parts * this.#partBytes);
    } catch {
      return;
    }
    this.#free = Array.from({ length: parts }, (_, i) => i * this.#partBytes);
  }

  /** The beginning of a free part; undefined where there is none of that size. It is the caller's until `give`. */
  take(bytes: number): Uint8Array | undefined {
    if (bytes > this.#partBytes) return undefined;
    const offset = this.#free.pop();
    return offset === undefined ? undefined : new Uint8Array(this.#memory, offset, bytes);
  }

  /** Whether it is of a part that was taken here. */
  has({ buffer }: Uint8Array): boolean {
    return buffer === this.#memory;
  }

  /** The whole part that begins with these bytes. */
  partOf({ byteOffset }: Uint8Array): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#memory, byteOffset, this.#partBytes);
  }

  /** Gives the part back that begins with these bytes. @throws EngineError where it is free: two batches would share it */
  give({ byteOffset }: Uint8Array): void {
    if (this.#free.includes(byteOffset)) {
      throw new EngineError(
        'Expected memory of a batch that is in work but found that it was given back before; rows would be mixed up.',
      );
    }
    this.#free.push(byteOffset);
  }

  /** What is mapped stays until nothing refers to it. Safe to call again. */
  close(): void {
    if (!this.#isClosed) closeSync(this.fd);
    this.#isClosed = true;
  }
}
