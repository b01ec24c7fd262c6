/**
 * PyTorch's state dict as `torch.save` wrote it before release 1.6: five pickles (a magic number, a version, the machine,
 * the tensors, the keys of their storages), then each storage: the number of its values, and these.
 */
import { Global, PickleReader } from './pickle-reader.ts';

export interface Tensor {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float32Array;
}

const MAGIC = '0x1950a86a20f9469cfc6c';
const VERSION = 1001;
const ITEM_BYTES: Readonly<Record<string, number>> = {
  'torch FloatStorage': 4,
  'torch LongStorage': 8,
};

interface Storage {
  readonly type: string;
  readonly count: number;
  values?: Float32Array;
}

/** A part of a storage, of any order of axes. */
class View {
  readonly args: unknown[];
  constructor(args: unknown[]) {
    this.args = args;
  }
}

/**
 * The float32 tensors by name; PyTorch's counters, which are int64, are left out.
 * @param label names the file in messages
 * @throws ModelError when the file is damaged, or holds anything but named tensors
 */
export function readStateDict(bytes: Uint8Array, label: string): Map<string, Tensor> {
  const storages = new Map<unknown, Storage>();
  const globals = {
    'collections OrderedDict': () => new Map(),
    'torch._utils _rebuild_tensor_v2': (args: unknown[]) => new View(args),
    'torch FloatStorage': undefined,
    'torch LongStorage': undefined,
  };
  const file = new PickleReader(bytes, label, globals, loadStorage);

  /** ("storage", class, key, device, number of values, view) */
  function loadStorage(id: unknown): Storage {
    const [, type, key, , count] = Array.isArray(id) ? id : [];
    if (!(type instanceof Global && type.name in ITEM_BYTES && isCount(count))) {
      throw file.error('a storage of float32 or int64 values', 'another');
    }
    const storage = storages.get(key) ?? { type: type.name, count };
    storages.set(key, storage);
    return storage;
  }

  if (file.read() !== MAGIC) throw file.error('the number that PyTorch begins with', 'another');
  if (file.read() !== VERSION) throw file.error(`version ${VERSION} of the layout`, 'another');
  const machine = file.read();
  if (!(machine instanceof Map && machine.get('little_endian') === true)) {
    throw file.error('the lowest byte first in each value', 'the highest');
  }
  const state = file.read();
  const keys = file.read();
  if (!(state instanceof Map && Array.isArray(keys))) {
    throw file.error('named tensors and the keys of their storages', 'something else');
  }
  for (const key of keys) {
    const storage = storages.get(key);
    const count = Number(file.take(8).readBigInt64LE());
    if (storage?.count !== count || storage.values !== undefined) {
      throw file.error(`${storage?.count ?? 'no'} values in a storage`, `${count}`);
    }
    const content = file.take(count * ITEM_BYTES[storage.type]);
    if (storage.type === 'torch FloatStorage') {
      storage.values = new Float32Array(Uint8Array.from(content).buffer);
    }
  }
  if (!file.isAtEnd) throw file.error('the end of the file', 'more');
  return viewedTensors(state, bytes.length, file);
}

function viewedTensors(
  state: ReadonlyMap<unknown, unknown>,
  fileBytes: number,
  file: PickleReader,
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  let bytes = 0;
  for (const [name, view] of state) {
    if (typeof name !== 'string' || !(view instanceof View)) {
      throw file.error('only tensors, each with a name', 'another value');
    }
    const [storage, offset, shape, strides] = view.args as [Storage, number, number[], number[]];
    if (storage?.type === 'torch LongStorage') continue;
    const isSound =
      isCount(offset) &&
      [shape, strides].every((list) => Array.isArray(list) && list.every(isCount)) &&
      shape.length === strides.length;
    const size = isSound ? shape.reduce((a, b) => a * b, 1) : 0;
    const last = isSound ? shape.reduce((at, n, i) => at + (n - 1) * strides[i], offset) : 0;
    bytes += 4 * size;
    // Many views of one storage, or a stride of 0, could make any number of values of a small file.
    if (!isSound || !(last < (storage?.values?.length ?? 0)) || bytes > fileBytes) {
      throw file.error(`the values of ${name}`, 'a tensor that does not fit them');
    }
    tensors.set(name, { shape, values: gather(storage.values!, offset, shape, strides) });
  }
  return tensors;
}

/** Another order of axes, as numpy.transpose. */
export function transpose({ shape, values }: Tensor, axes: readonly number[]): Tensor {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const wanted = axes.map((axis) => shape[axis]);
  const steps = axes.map((axis) => strides[axis]);
  return { shape: wanted, values: gather(values, 0, wanted, steps) };
}

/** The values of a view, row-major. */
function gather(
  from: Float32Array,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
): Float32Array {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const index = shape.map(() => 0);
  let at = offset;
  for (let i = 0; i < values.length; i++) {
    values[i] = from[at];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return values;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
