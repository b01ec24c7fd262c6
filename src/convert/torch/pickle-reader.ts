import { ModelError } from '../../errors.ts';
import { show } from '../../json.ts';

/** What a pickle may name, as "module name" → what a call of it gives; undefined: it cannot be called. */
export type PickleGlobals = Readonly<Record<string, ((args: unknown[]) => unknown) | undefined>>;

/** A name of PickleGlobals that stands in a pickle. */
export class Global {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

const MARK = Symbol('mark');

/**
 * Reads pickles of protocol 2. A pickle is a program for a stack machine that in Python may import and call anything.
 * This machine has the operations that maps, lists, texts and numbers need, and calls functions of `globals` alone: all
 * else is an error. A tuple becomes an array, a dict a Map; the attributes that an object is given are dropped.
 */
export class PickleReader {
  readonly #bytes: Buffer;
  readonly #label: string;
  readonly #globals: PickleGlobals;
  /** Gives the object that the file keeps elsewhere under an id. */
  readonly #load: (id: unknown) => unknown;
  #at = 0;
  #stack: unknown[] = [];
  #memo = new Map<number, unknown>();

  constructor(
    bytes: Uint8Array,
    label: string,
    globals: PickleGlobals,
    load: (id: unknown) => unknown,
  ) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#label = label;
    this.#globals = globals;
    this.#load = load;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  error(expected: string, found: string): ModelError {
    return new ModelError(
      `Expected ${expected} in ${this.#label} but found ${found} before byte ${this.#at}.`,
      { fix: 'The file is damaged, or holds more than named tensors. Nothing in it was run.' },
    );
  }

  take(count: number): Buffer {
    if (count > this.#bytes.length - this.#at) throw this.error(`${count} more bytes`, 'its end');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** The value of the pickle that begins here. */
  read(): unknown {
    this.#stack = [];
    this.#memo = new Map();
    for (;;) {
      const code = String.fromCharCode(this.take(1)[0]);
      if (code === '.') break; // STOP
      const operation = OPERATIONS[code];
      if (operation === undefined) {
        throw this.error('maps, lists, texts, numbers and tensors', `operation ${show(code)}`);
      }
      operation(this);
    }
    const value = this.pop();
    if (this.#stack.length > 0) throw this.error('one value in a pickle', 'another');
    return value;
  }

  push(value: unknown): void {
    this.#stack.push(value);
  }

  pop(): unknown {
    if (this.#stack.length === 0) throw this.error('a value', 'none');
    return this.#stack.pop();
  }

  popSinceMark(): unknown[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw this.error('the mark of a list', 'none');
    return this.#stack.splice(mark).slice(1);
  }

  /** The value on top, which stays there. */
  top<T>(kind: new () => T, name: string): T {
    const value = this.#stack.at(-1);
    if (value instanceof kind) return value;
    throw this.error(name, 'another value');
  }

  keep(index: number): void {
    this.#memo.set(index, this.#stack.at(-1));
  }

  recall(index: number): void {
    if (!this.#memo.has(index)) throw this.error(`a value kept as number ${index}`, 'none');
    this.push(this.#memo.get(index));
  }

  pushGlobal(): void {
    const [module, name] = [this.#line(), this.#line()];
    if (!Object.hasOwn(this.#globals, `${module} ${name}`)) {
      throw this.error('no more than tensors', `the name ${show(`${module}.${name}`)}`);
    }
    this.push(new Global(`${module} ${name}`));
  }

  call(): void {
    const args = this.pop();
    const target = this.pop();
    const make = target instanceof Global ? this.#globals[target.name] : undefined;
    if (make === undefined || !Array.isArray(args)) throw this.error('a tensor', 'another call');
    this.push(make(args));
  }

  pushLoaded(): void {
    this.push(this.#load(this.pop()));
  }

  setItems(pairs: unknown[]): void {
    const map = this.top(Map<unknown, unknown>, 'a map');
    for (let i = 0; i + 1 < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.error('a name', 'its end');
    return this.take(end + 1 - this.#at)
      .toString('latin1')
      .slice(0, -1);
  }
}

/** By their codes; the names are those of Python's pickletools. */
const OPERATIONS: Readonly<Record<string, (reader: PickleReader) => void>> = {
  // PROTO
  '\x80': (it) => {
    if (it.take(1)[0] !== 2) throw it.error('a pickle of protocol 2', 'another protocol');
  },
  N: (it) => it.push(null), // NONE
  '\x88': (it) => it.push(true), // NEWTRUE
  '\x89': (it) => it.push(false), // NEWFALSE
  J: (it) => it.push(it.take(4).readInt32LE()), // BININT
  K: (it) => it.push(it.take(1).readUInt8()), // BININT1
  M: (it) => it.push(it.take(2).readUInt16LE()), // BININT2
  // LONG1: its length, then its bytes, the lowest first; text, as it may be above 2 ** 53
  '\x8a': (it) =>
    it.push(
      `0x${Buffer.from(it.take(it.take(1)[0]))
        .reverse()
        .toString('hex')}`,
    ),
  X: (it) => it.push(it.take(it.take(4).readUInt32LE()).toString('utf8')), // BINUNICODE
  ')': (it) => it.push([]), // EMPTY_TUPLE
  ']': (it) => it.push([]), // EMPTY_LIST
  '}': (it) => it.push(new Map()), // EMPTY_DICT
  '(': (it) => it.push(MARK), // MARK
  t: (it) => it.push(it.popSinceMark()), // TUPLE
  '\x85': (it) => it.push([it.pop()]), // TUPLE1
  '\x86': (it) => it.push([it.pop(), it.pop()].reverse()), // TUPLE2
  // APPENDS
  e: (it) => {
    const items = it.popSinceMark();
    const list = it.top(Array<unknown>, 'a list');
    for (const item of items) list.push(item);
  },
  s: (it) => it.setItems([it.pop(), it.pop()].reverse()), // SETITEM
  u: (it) => it.setItems(it.popSinceMark()), // SETITEMS
  q: (it) => it.keep(it.take(1)[0]), // BINPUT
  r: (it) => it.keep(it.take(4).readUInt32LE()), // LONG_BINPUT
  h: (it) => it.recall(it.take(1)[0]), // BINGET
  j: (it) => it.recall(it.take(4).readUInt32LE()), // LONG_BINGET
  c: (it) => it.pushGlobal(), // GLOBAL
  R: (it) => it.call(), // REDUCE
  Q: (it) => it.pushLoaded(), // BINPERSID
  b: (it) => void it.pop(), // BUILD
};
