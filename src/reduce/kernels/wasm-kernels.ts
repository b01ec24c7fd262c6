import { RuntimeError } from '../../errors.ts';
import { startWasm } from '../../runtime/wasm-module.ts';
import type { SharedMemory } from './shared-memory.ts';

type Run = (...places: number[]) => void;

/** What native/wasm/reduce.ts exports; places and steps are in bytes. */
export interface WasmKernels {
  readonly multiply: Run;
  readonly pack: Run;
  readonly project: Run;
  readonly back: Run;
  /** 1 where all values are finite. */
  readonly addRow: (...places: number[]) => number;
}

/** The kernels on a memory. @throws RuntimeError where WebAssembly, or memory for it, is not available */
export function wasmKernels(memory: SharedMemory): WasmKernels {
  if (memory instanceof SharedArrayBuffer) {
    throw new RuntimeError(
      'Expected memory for WebAssembly in the PCA but found that 10 GB of address space could not be reserved.',
      {
        fix: 'Raise the limit of the address space (ulimit -v), or let `img2features setup` build the addon with a C++ compiler.',
      },
    );
  }
  return startWasm('reduce', memory);
}
