import { encodeModule, f64x2, i32, local, MOST_PAGES } from '../../wasm/wasm-encoder.ts';
import { bufferOf, type SharedMemory } from './shared-memory.ts';
import { TILE, type TileKernel } from './tile-kernel.ts';

const PAGE_BYTES = 64 * 1024;
const DOUBLE_BYTES = 8;
const PARAMS = ['a', 'aStep', 'b', 'bStep', 'bGroupStep', 'groups', 'depth', 'c', 'cStep'];

type Multiply = (...offsets: number[]) => void;

let own: WebAssembly.Module | undefined;
let shared: WebAssembly.Module | undefined;

/**
 * The kernel in WebAssembly, two doubles at a time, on a zeroed memory of so many doubles. Same bits as
 * the plain one: there is no fused multiply-add in this instruction set.
 */
export function createSimdKernel(doubles: number): TileKernel {
  own ??= new WebAssembly.Module(encodeMultiply());
  const pages = Math.ceil((doubles * DOUBLE_BYTES) / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  return kernelOf(own, memory, new Float64Array(memory.buffer, 0, doubles));
}

/** The same on memory that threads share. @throws TypeError where that is none of WebAssembly's. */
export function createSharedSimdKernel(memory: SharedMemory): TileKernel {
  shared ??= new WebAssembly.Module(encodeMultiply(MOST_PAGES));
  const doubles = new Float64Array(bufferOf(memory));
  return kernelOf(shared, memory as WebAssembly.Memory, doubles);
}

function kernelOf(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  doubles: Float64Array,
): TileKernel {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  const run = instance.exports.multiply as Multiply;
  return {
    memory: doubles,
    multiply(a, aStep, b, bStep, bGroupStep, groups, depth, c, cStep) {
      run(a * 8, aStep * 8, b * 8, bStep * 8, bGroupStep * 8, groups, depth, c * 8, cStep * 8);
    },
  };
}

/**
 * do {
 *   pa = a; pb = b; n = depth; sums = 0
 *   do { sums += [a0 a1 a2 a3]^T [b0 b1 b2 b3] at pa, pb; pa += aStep; pb += bStep } while (--n)
 *   c += sums
 *   b += bGroupStep; c += 4 doubles
 * } while (--groups)
 * Eight sums of two doubles, two of B and one of A: 11 of the 16 registers of x86-64.
 */
function encodeMultiply(sharedPages?: number): Uint8Array<ArrayBuffer> {
  const v = local([...PARAMS, 'pa', 'pb', 'n', 'pc'], ['b0', 'b1', 'value', ...sumNames()]);
  const rows = Array.from({ length: TILE }, (_, r) => r);
  const step = [
    v.set('b0', f64x2.load(v.get('pb'), 0)),
    v.set('b1', f64x2.load(v.get('pb'), 16)),
    ...rows.flatMap((r) => [
      v.set('value', f64x2.loadSplat(v.get('pa'), r * DOUBLE_BYTES)),
      ...['b0', 'b1'].map((half) => {
        const sum = `${r}${half}`;
        return v.set(sum, f64x2.add(v.get(sum), f64x2.mul(v.get('value'), v.get(half))));
      }),
    ]),
    v.advance('pa', v.get('aStep')),
    v.advance('pb', v.get('bStep')),
  ];
  const store = rows.flatMap((r) => [
    ...['b0', 'b1'].map((half, h) => {
      const sum = f64x2.add(f64x2.load(v.get('pc'), 16 * h), v.get(`${r}${half}`));
      return f64x2.store(v.get('pc'), 16 * h, sum);
    }),
    v.advance('pc', v.get('cStep')),
  ]);
  const body = v.repeat('groups', [
    v.set('pa', v.get('a')),
    v.set('pb', v.get('b')),
    v.set('pc', v.get('c')),
    v.set('n', v.get('depth')),
    ...sumNames().map((sum) => v.set(sum, f64x2.zero)),
    ...v.repeat('n', step),
    ...store,
    v.advance('b', v.get('bGroupStep')),
    v.advance('c', i32.constant(TILE * DOUBLE_BYTES)),
  ]);
  return encodeModule({
    name: 'multiply',
    params: PARAMS.length,
    locals: v.declare(PARAMS.length),
    body,
    ...(sharedPages !== undefined && { sharedPages }),
  });
}

function sumNames(): string[] {
  return [0, 1, 2, 3].flatMap((r) => [`${r}b0`, `${r}b1`]);
}
