import { encodeModule, f64x2, i32, local, MOST_PAGES } from '../../wasm/wasm-encoder.ts';
import { nativeKernels } from './native-kernels.ts';
import { bufferOf, type SharedMemory } from './shared-memory.ts';

/**
 * Lays out columns of float32 rows for a TileKernel: to[group][row][4] = rows[row][4 group ...] - shift, in float64. Places
 * and steps count floats for the rows, doubles for the rest.
 */
export type Pack = (
  rows: number,
  rowStep: number,
  count: number,
  shift: number,
  groups: number,
  to: number,
  groupStep: number,
) => void;

/** By the addon, else in WebAssembly, else in JavaScript: the same bits. */
export function createPack(memory: SharedMemory): Pack {
  const native = nativeKernels();
  if (native) {
    const floats = new Float32Array(bufferOf(memory));
    const doubles = new Float64Array(bufferOf(memory));
    return (...places) => native.pack(floats, doubles, ...places);
  }
  try {
    return createSimdPack(memory);
  } catch {
    return createPlainPack(memory);
  }
}

export function createPlainPack(memory: SharedMemory): Pack {
  const floats = new Float32Array(bufferOf(memory));
  const doubles = new Float64Array(bufferOf(memory));
  return (rows, rowStep, count, shift, groups, to, groupStep) => {
    for (let row = 0; row < count; row++) {
      for (let j = 0; j < 4 * groups; j++) {
        const value = floats[rows + row * rowStep + j]! - doubles[shift + j]!;
        doubles[to + (j >> 2) * groupStep + row * 4 + (j & 3)] = value;
      }
    }
  };
}

let module: WebAssembly.Module | undefined;

export function createSimdPack(memory: SharedMemory): Pack {
  module ??= new WebAssembly.Module(encodePack());
  const imports = { env: { memory: memory as WebAssembly.Memory } };
  const run = new WebAssembly.Instance(module, imports).exports.run as Pack;
  return (rows, rowStep, count, shift, groups, to, groupStep) => {
    run(rows * 4, rowStep * 4, count, shift * 8, groups, to * 8, groupStep * 8);
  };
}

function encodePack(): Uint8Array<ArrayBuffer> {
  const params = ['rows', 'rowStep', 'count', 'shift', 'groups', 'to', 'groupStep'];
  const v = local([...params, 'px', 'ps', 'po', 'n'], ['value']);
  const step = [0, 1].flatMap((half) => [
    v.set(
      'value',
      f64x2.sub(f64x2.loadFloats(v.get('px'), 8 * half), f64x2.load(v.get('ps'), 16 * half)),
    ),
    f64x2.store(v.get('po'), 16 * half, v.get('value')),
  ]);
  const body = v.repeat('count', [
    v.set('px', v.get('rows')),
    v.set('ps', v.get('shift')),
    v.set('po', v.get('to')),
    v.set('n', v.get('groups')),
    ...v.repeat('n', [
      ...step,
      v.advance('px', i32.constant(16)),
      v.advance('ps', i32.constant(32)),
      v.advance('po', v.get('groupStep')),
    ]),
    v.advance('rows', v.get('rowStep')),
    v.advance('to', i32.constant(32)),
  ]);
  return encodeModule({
    name: 'run',
    params: params.length,
    locals: v.declare(params.length),
    body,
    sharedPages: MOST_PAGES,
  });
}
