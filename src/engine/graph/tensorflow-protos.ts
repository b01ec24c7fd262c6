/*
 * The messages of TensorFlow that a SavedModel needs, written field by field; the numbers are those
 * of tensorflow/core/framework/*.proto and tensorflow/core/protobuf/{meta_graph,saver,
 * saved_model,tensor_bundle}.proto.
 */
import { ProtoWriter } from './proto-writer.ts';

/** tensorflow.DataType */
export const DTYPE = {
  float: 1,
  int32: 3,
  uint8: 4,
  string: 7,
  bfloat16: 14,
  half: 19,
  resource: 20,
};
export type TensorType = keyof typeof DTYPE;

/** The version of GraphDef that is written here: TensorFlow 2.9 and later read it the same way. */
const GRAPH_PRODUCER = 1087;
/** SaverDef.CheckpointFormatVersion.V2 */
const CHECKPOINT_V2 = 2;

/** One attribute of a node. */
export type Attribute =
  | { readonly type: TensorType }
  | { readonly types: readonly TensorType[] }
  | { readonly shape: readonly number[] }
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly bool: boolean }
  | { readonly string: string }
  | { readonly tensor: ProtoWriter };

export interface GraphNode {
  readonly name: string;
  readonly op: string;
  /** Names of nodes, `:k` for output k, `^name` for a control input. */
  readonly inputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** @param shape −1 for an axis of unknown length. */
export function tensorShape(shape: readonly number[]): ProtoWriter {
  const writer = new ProtoWriter();
  for (const size of shape) writer.message(2, new ProtoWriter().varint(1, size));
  return writer;
}

/** A constant; strings are scalars or one axis. */
export function tensor(
  type: 'float' | 'int32' | 'string',
  shape: readonly number[],
  values: readonly number[] | readonly string[],
): ProtoWriter {
  const writer = new ProtoWriter().varint(1, DTYPE[type]).message(2, tensorShape(shape));
  if (type === 'string') {
    for (const value of values) writer.string(8, String(value));
    return writer;
  }
  const content =
    type === 'float'
      ? Float32Array.from(values as readonly number[])
      : Int32Array.from(values as readonly number[]);
  return writer.bytes(4, new Uint8Array(content.buffer));
}

/** BundleHeaderProto: one data file, little-endian. */
export function bundleHeader(): Uint8Array {
  return new ProtoWriter().varint(1, 1).message(3, new ProtoWriter().varint(1, 1)).finish();
}

export interface BundleEntry {
  readonly shape: readonly number[];
  readonly offset: number;
  readonly size: number;
  /** Masked. */
  readonly crc32c: number;
}

/** BundleEntryProto of a float32 tensor in data file 0. */
export function bundleEntry({ shape, offset, size, crc32c }: BundleEntry): Uint8Array {
  return new ProtoWriter()
    .varint(1, DTYPE.float)
    .message(2, tensorShape(shape))
    .varint(4, offset)
    .varint(5, size)
    .fixed32(6, crc32c)
    .finish();
}

export interface SaverNames {
  /** Tensor that is fed with the checkpoint's path. */
  readonly filename: string;
  /** Operation that restores all variables. */
  readonly restore: string;
}

/** saved_model.pb: one graph with the tag `serve`. */
export function savedModel(nodes: readonly GraphNode[], saver: SaverNames): Uint8Array {
  const graph = new ProtoWriter();
  for (const node of nodes) graph.message(1, nodeDef(node));
  graph.message(4, new ProtoWriter().varint(1, GRAPH_PRODUCER));
  const metaGraph = new ProtoWriter()
    .message(1, new ProtoWriter().string(4, 'serve'))
    .message(2, graph)
    .message(
      3,
      new ProtoWriter().string(1, saver.filename).string(3, saver.restore).varint(7, CHECKPOINT_V2),
    );
  return new ProtoWriter().varint(1, 1).message(2, metaGraph).finish();
}

function nodeDef({ name, op, inputs, attributes }: GraphNode): ProtoWriter {
  const writer = new ProtoWriter().string(1, name).string(2, op);
  for (const input of inputs) writer.string(3, input);
  for (const [key, value] of Object.entries(attributes)) {
    writer.message(5, new ProtoWriter().string(1, key).message(2, attrValue(value)));
  }
  return writer;
}

function attrValue(value: Attribute): ProtoWriter {
  const writer = new ProtoWriter();
  if ('type' in value) return writer.varint(6, DTYPE[value.type]);
  if ('shape' in value) return writer.message(7, tensorShape(value.shape));
  if ('int' in value) return writer.varint(3, value.int);
  if ('float' in value) return writer.float(4, value.float);
  if ('bool' in value) return writer.varint(5, value.bool);
  if ('string' in value) return writer.string(2, value.string);
  if ('tensor' in value) return writer.message(8, value.tensor);
  const list = new ProtoWriter();
  if ('types' in value) for (const type of value.types) list.varint(6, DTYPE[type]);
  else for (const int of value.ints) list.varint(3, int);
  return writer.message(1, list);
}
