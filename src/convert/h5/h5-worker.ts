/**
 * Worker-thread entry: reads one HDF5 file through h5wasm. A damaged file can send the HDF5 library
 * into endless loops, aborts or huge allocations; here that costs one thread, which the client ends
 * (see `h5-file.ts`). The file is read through file descriptors, never as a whole.
 */
import { parentPort, workerData } from 'node:worker_threads';
import h5wasm, { type Dataset, type Group, type Metadata } from 'h5wasm/node';
import type { H5Dataset, H5Dtype, H5Group, H5Reply, ReadRequest } from './h5-inventory.ts';

/** Real models have some thousand objects; a loop of hard links has no end. */
const MAX_OBJECTS = 200_000;
const MAX_DEPTH = 64;
const MAX_ATTRIBUTE_BYTES = 64 * 1024 * 1024;

/** Long lists are split over `layer_names0`, `layer_names1`, … */
const ATTRIBUTES = /^(layer_names|weight_names)\d*$|^(model_config|keras_version|backend|name)$/;

/** HDF5 believes a damaged length and asks for gigabytes; reading needs some chunks at a time. */
const MAX_HEAP_BYTES = 768 * 1024 * 1024;

const port = parentPort!;
limitHeap(MAX_HEAP_BYTES);
const module = await h5wasm.ready;
const diagnosis = captureDiagnosis();
let objects = 0;

try {
  const file = new h5wasm.File((workerData as { path: string }).path, 'r');
  if (file.file_id < 0n) throw new Error('HDF5 cannot open it');
  reply({ kind: 'inventory', root: listGroup(file, 0) });
  port.on('message', (request: ReadRequest) => answer(file, request));
} catch (error) {
  fail(undefined, error);
}

/** h5wasm's own limit of 2 GiB is fixed when it is built. */
function limitHeap(maxBytes: number): void {
  const grow = WebAssembly.Memory.prototype.grow;
  WebAssembly.Memory.prototype.grow = function (this: WebAssembly.Memory, pages: number) {
    if (this.buffer.byteLength + pages * 65_536 > maxBytes) throw new RangeError('heap limit');
    return grow.call(this, pages);
  };
}

function answer(file: Group, request: ReadRequest): void {
  try {
    const bytes = readRows(file, request);
    reply({ kind: 'rows', id: request.id, bytes }, [bytes.buffer as ArrayBuffer]);
  } catch (error) {
    fail(request.id, error);
  }
}

function listGroup(group: Group, depth: number): H5Group {
  if (depth > MAX_DEPTH) throw new Error(`more than ${MAX_DEPTH} groups inside each other`);
  const groups: Record<string, H5Group> = Object.create(null);
  const datasets: Record<string, H5Dataset> = Object.create(null);
  for (const name of group.keys()) {
    objects++;
    if (objects > MAX_OBJECTS) throw new Error(`more than ${MAX_OBJECTS} objects`);
    // Links to other files and dangling links are no part of a Keras file: left out.
    const entity = group.get(name);
    if (entity instanceof h5wasm.Group) groups[name] = listGroup(entity, depth + 1);
    else if (entity instanceof h5wasm.Dataset) datasets[name] = describeDataset(entity);
  }
  return { attributes: listAttributes(group), groups, datasets };
}

function listAttributes(group: Group): H5Group['attributes'] {
  const attributes: Record<string, string | string[]> = Object.create(null);
  for (const [name, attribute] of Object.entries(group.attrs)) {
    if (!ATTRIBUTES.test(name)) continue;
    const { size, total_size } = attribute.metadata;
    if (!(size * total_size <= MAX_ATTRIBUTE_BYTES)) throw new Error(`attribute ${name} too long`);
    const value = attribute.value;
    if (typeof value === 'string') attributes[name] = value;
    // An empty list has lost its type: h5py writes it as float64.
    else if (total_size === 0) attributes[name] = [];
    else if (Array.isArray(value) && value.every((item) => typeof item === 'string')) {
      attributes[name] = value;
    }
  }
  return attributes;
}

function describeDataset(dataset: Dataset): H5Dataset {
  const { metadata } = dataset;
  const isExternal = (metadata.virtual_sources?.length ?? 0) > 0;
  return {
    shape: (metadata.shape ?? []).map(Number),
    dtype: isExternal ? 'other' : dtypeOf(metadata),
    itemBytes: metadata.size,
    chunks: metadata.chunks?.map(Number) ?? null,
  };
}

function dtypeOf({ type, size, littleEndian }: Metadata): H5Dtype {
  // h5py has no bfloat16: Keras 3 writes its two bytes as data without a meaning.
  if (type === module.H5T_class_t.H5T_OPAQUE.value && size === 2) return 'bfloat16';
  if (type !== module.H5T_class_t.H5T_FLOAT.value || !littleEndian) return 'other';
  if (size === 2) return 'float16';
  if (size === 4) return 'float32';
  return size === 8 ? 'float64' : 'other';
}

/** The raw stored elements, row-major. */
function readRows(file: Group, { path, start, count }: ReadRequest): Uint8Array {
  const dataset = file.get(path);
  if (!(dataset instanceof h5wasm.Dataset)) throw new Error(`no dataset ${path}`);
  const { shape, size } = dataset.metadata;
  const counts = (shape ?? []).map((side, axis) => BigInt(axis === 0 ? count : side));
  const nbytes = Number(counts.reduce((product, side) => product * side, BigInt(size)));
  const pointer = module._malloc(nbytes);
  if (pointer === 0) throw new Error(`no memory for ${nbytes} bytes of ${path}`);
  // A scalar has no axis to select rows on.
  const isScalar = counts.length === 0;
  const offsets = isScalar ? null : counts.map((_, axis) => BigInt(axis === 0 ? start : 0));
  const strides = isScalar ? null : counts.map(() => 1n);
  try {
    module.get_dataset_data(
      dataset.file_id,
      dataset.path,
      isScalar ? null : counts,
      offsets,
      strides,
      BigInt(pointer),
    );
    return module.HEAPU8.slice(pointer, pointer + nbytes);
  } finally {
    module._free(pointer);
  }
}

function reply(message: H5Reply, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function fail(id: number | undefined, error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  reply({ kind: 'failed', id, reason: diagnosis.cause() ?? text.split('\n')[0] });
}

/**
 * HDF5 prints its error stack to file descriptor 2 of the process, so that Node cannot
 * redirect it. Its writes are collected here; the innermost line names the cause.
 */
function captureDiagnosis(): { cause(): string | undefined } {
  const fs = module.FS as unknown as {
    write(stream: { nfd?: number }, bytes: Uint8Array, offset: number, length: number): number;
  };
  const write = fs.write;
  let printed = '';
  fs.write = (stream, bytes, offset, length, ...rest) => {
    if (stream.nfd !== 1 && stream.nfd !== 2) return write(stream, bytes, offset, length, ...rest);
    if (printed.length < 64_000) {
      printed += Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString('latin1');
    }
    return length;
  };
  return {
    cause() {
      // "  #006: /…/H5Fsuper.c line 577 in H5F__super_read(): truncated file: eof = …"
      const first = printed.split('HDF5-DIAG', 2)[1] ?? '';
      const causes = [...first.matchAll(/ in \w+\(\): (.+)/g)];
      printed = '';
      return causes[causes.length - 1]?.[1];
    },
  };
}
