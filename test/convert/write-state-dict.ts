import type { Tensor } from '../../src/convert/torch/read-state-dict.ts';

/** A tensor in the order of axes that its strides say. */
export interface StridedTensor extends Tensor {
  readonly strides?: readonly number[];
  readonly type?: 'FloatStorage' | 'LongStorage';
  /** Another number of values than there are, as the pickle states it. */
  readonly declared?: number;
}

const text = (value: string) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from('X'), uint32(bytes.length), bytes]);
};
const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const int = (value: number) => Buffer.concat([Buffer.from('J'), uint32(value)]);
const tuple = (items: readonly Buffer[]) =>
  Buffer.concat([Buffer.from('('), ...items, Buffer.from('t')]);
const global = (module: string, name: string) => Buffer.from(`c${module}\n${name}\n`);

/** One pickle of protocol 2. */
export function pickle(...body: (Buffer | string)[]): Buffer {
  const parts = body.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part));
  return Buffer.concat([Buffer.from('\x80\x02', 'latin1'), ...parts, Buffer.from('.')]);
}

/** A state dict as `torch.save` wrote it before release 1.6, with the storages in another order than the tensors. */
export function writeStateDict(tensors: Readonly<Record<string, StridedTensor>>): Buffer {
  const entries = Object.entries(tensors);
  const pairs = entries.flatMap(([name, tensor], i) => [text(name), tensorCall(tensor, i)]);
  const keys = entries.map((_, i) => i).reverse();
  return Buffer.concat([
    pickle('\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19'),
    pickle(Buffer.from('M\xe9\x03', 'latin1')),
    pickle('}(', text('little_endian'), '\x88u'),
    pickle(global('collections', 'OrderedDict'), ')R(', ...pairs, 'u}', text('_metadata'), '}sb'),
    pickle('](', ...keys.map((key) => text(`${key}`)), 'e'),
    ...keys.map((i) => storage(entries[i][1])),
  ]);
}

function tensorCall({ shape, values, strides, type, declared }: StridedTensor, i: number): Buffer {
  const rowMajor = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const id = tuple([
    text('storage'),
    global('torch', type ?? 'FloatStorage'),
    text(`${i}`),
    text('cpu'),
    int(declared ?? values.length),
    Buffer.from('N'),
  ]);
  return Buffer.concat([
    global('torch._utils', '_rebuild_tensor_v2'),
    tuple([
      Buffer.concat([id, Buffer.from('Q')]),
      int(0),
      tuple(shape.map(int)),
      tuple((strides ?? rowMajor).map(int)),
      Buffer.from('\x89', 'latin1'),
      Buffer.from('}'),
    ]),
    Buffer.from('R'),
  ]);
}

function storage({ values, type }: StridedTensor): Buffer {
  const count = Buffer.alloc(8);
  count.writeBigInt64LE(BigInt(values.length));
  const items =
    type === 'LongStorage' ? new BigInt64Array([...values].map(BigInt)) : Float32Array.from(values);
  return Buffer.concat([count, new Uint8Array(items.buffer)]);
}
