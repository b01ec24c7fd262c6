/**
 * Just enough of WebAssembly's binary format for one function on one imported memory.
 * https://webassembly.github.io/spec/core/binary/
 */

/** Bytes of an instruction and of what it takes from the stack before it. */
export type Code = readonly number[];

/** Pages of 64 KB that a memory can have. */
export const MOST_PAGES = 65536;

const I32 = 0x7f;
const V128 = 0x7b;
const EMPTY = 0x40;
const LOOP = 0x03;
const END = 0x0b;
const BRANCH_IF = 0x0d;
const SIMD = 0xfd;

/** Unsigned LEB128. */
function unsigned(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** Signed LEB128. */
function signed(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    if (rest >= -64 && rest < 64) return [...bytes, rest & 0x7f];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

export const i32 = {
  constant: (value: number): Code => [0x41, ...signed(value)],
  add: (x: Code, y: Code): Code => [...x, ...y, 0x6a],
  load: (at: Code, offset: number): Code => [...at, 0x28, 2, ...unsigned(offset)],
};

/** Whole vectors; addresses in bytes, of any alignment. */
export const v128 = {
  zero: [SIMD, 12, ...new Array<number>(16).fill(0)] as Code,
  load: (at: Code): Code => [...at, SIMD, 0, 0, 0],
  /** Eight bytes; the others are zero. */
  loadHalf: (at: Code): Code => [...at, SIMD, 93, 0, 0],
  /** The first four, or eight, bytes. */
  storeQuarter: (at: Code, value: Code): Code => [...at, ...value, SIMD, 90, 0, 0, 0],
  storeHalf: (at: Code, value: Code): Code => [...at, ...value, SIMD, 91, 0, 0, 0],
  /** Bytes of x (0 to 15) and of y (16 to 31), in any order. */
  shuffle: (x: Code, y: Code, bytes: readonly number[]): Code => [...x, ...y, SIMD, 13, ...bytes],
};

/** Eight int16. */
export const i16x8 = {
  /** From the lower, or upper, eight bytes, unsigned. */
  extendLow: (x: Code): Code => [...x, SIMD, ...unsigned(0x89)],
  extendHigh: (x: Code): Code => [...x, SIMD, ...unsigned(0x8a)],
  /** To 16 bytes, unsigned, saturating. */
  narrow: (x: Code, y: Code): Code => [...x, ...y, SIMD, 0x66],
};

/** Four int32. */
export const i32x4 = {
  loadSplat: (at: Code, offset: number): Code => [...at, SIMD, 9, 2, ...unsigned(offset)],
  add: (x: Code, y: Code): Code => [...x, ...y, SIMD, ...unsigned(0xae)],
  shiftLeft: (x: Code, bits: number): Code => [
    ...x,
    ...i32.constant(bits),
    SIMD,
    ...unsigned(0xab),
  ],
  shiftRight: (x: Code, bits: number): Code => [
    ...x,
    ...i32.constant(bits),
    SIMD,
    ...unsigned(0xac),
  ],
  splat: (value: number): Code => [...i32.constant(value), SIMD, 17],
  /** Products of int16 pairs, added two by two. */
  dot: (x: Code, y: Code): Code => [...x, ...y, SIMD, ...unsigned(0xba)],
  /** To eight int16, saturating. */
  narrow: (x: Code, y: Code): Code => [...x, ...y, SIMD, ...unsigned(0x85)],
};

/** Instructions on two float64; addresses in bytes, aligned to 8. */
export const f64x2 = {
  zero: [SIMD, ...unsigned(12), ...new Array<number>(16).fill(0)] as Code,
  load: (at: Code, offset: number): Code => [...at, SIMD, 0, 3, ...unsigned(offset)],
  /** One double into both lanes. */
  loadSplat: (at: Code, offset: number): Code => [...at, SIMD, 10, 3, ...unsigned(offset)],
  store: (at: Code, offset: number, value: Code): Code => {
    return [...at, ...value, SIMD, 11, 3, ...unsigned(offset)];
  },
  add: (x: Code, y: Code): Code => [...x, ...y, SIMD, ...unsigned(0xf0)],
  sub: (x: Code, y: Code): Code => [...x, ...y, SIMD, ...unsigned(0xf1)],
  mul: (x: Code, y: Code): Code => [...x, ...y, SIMD, ...unsigned(0xf2)],
  /** Two float32 as float64. */
  loadFloats: (at: Code, offset: number): Code => {
    return [...at, SIMD, 93, 2, ...unsigned(offset), SIMD, 95];
  },
  /** The lanes change places. */
  swap: (x: Code): Code => {
    return [...x, ...x, SIMD, 13, ...Array.from({ length: 16 }, (_, byte) => (byte + 8) % 16)];
  },
};

/** Variables by name: first the i32 ones (the function's parameters lead), then the v128 ones. */
export function local(integers: readonly string[], vectors: readonly string[]) {
  const names = [...integers, ...vectors];
  const index = (name: string) => unsigned(names.indexOf(name));
  const get = (name: string): Code => [0x20, ...index(name)];
  const set = (name: string, value: Code): Code => [...value, 0x21, ...index(name)];
  return {
    get,
    set,
    advance: (name: string, by: Code): Code => set(name, i32.add(get(name), by)),
    /** `do { body } while (--counter)` */
    repeat: (counter: string, body: readonly Code[]): Code[] => {
      const next = i32.add(get(counter), i32.constant(-1));
      return [[LOOP, EMPTY], ...body, [...next, 0x22, ...index(counter), BRANCH_IF, 0], [END]];
    },
    /** The declaration of all but the parameters. */
    declare: (params: number): Code => {
      return [2, ...unsigned(integers.length - params), I32, ...unsigned(vectors.length), V128];
    },
  };
}

interface FunctionParts {
  readonly name: string;
  /** i32 parameters. */
  readonly params: number;
  readonly locals: Code;
  readonly body: readonly Code[];
  /** Pages at most, where the memory is shared between threads. */
  readonly sharedPages?: number;
}

/** A module that imports "env" "memory" and exports one function without results. */
export function encodeModule({ name, params, locals, body, sharedPages }: FunctionParts) {
  const sized = (bytes: Code) => [...unsigned(bytes.length), ...bytes];
  const text = (value: string) => sized([...Buffer.from(value)]);
  const limits: Code = sharedPages === undefined ? [0, 0] : [3, 0, ...unsigned(sharedPages)];
  const section = (id: number, ...contents: Code[]) => [id, ...sized(contents.flat())];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60], sized(new Array<number>(params).fill(I32)), [0]),
    ...section(2, [1], text('env'), text('memory'), [2, ...limits]),
    ...section(3, [1, 0]),
    ...section(7, [1], text(name), [0, 0]),
    ...section(10, [1], sized([...locals, ...body.flat(), END])),
  ]);
}
