import type { Precision } from '../engine.ts';
import {
  type Attribute,
  type GraphNode,
  type SaverNames,
  type TensorType,
  tensor,
} from './tensorflow-protos.ts';
import type { WeightSource } from './weight-source.ts';

/** Type in which the layers compute. */
export type ComputeType = 'float' | 'half' | 'bfloat16';

/**
 * What a layer gives: float32 as it is, or (`isFloat` false) in the graph's compute type and divided
 * by its scale. In a float32 graph the two are one.
 */
export interface Value {
  readonly name: string;
  readonly isFloat: boolean;
  /** Of values of our own operations, and what surrounds them. */
  readonly origin?: Origin | undefined;
  /** [n, channels]: the mean over height and width, where the operation gives it, too. */
  readonly mean?: string;
}

/** A 1×1 convolution of separable-nodes.ts: names of nodes, and what the operation is told. */
export interface Pointwise {
  readonly kind: 'pointwise';
  readonly input: string;
  readonly panels: string;
  readonly bias: string;
  readonly activation: number;
  /** [n, 1, 1, channels]: what the input is multiplied with. */
  readonly scale?: string;
  /** Added before the activation. */
  readonly residual?: string;
}

export interface Depthwise {
  readonly kind: 'depthwise';
  readonly input: string;
  readonly kernel: string;
  readonly bias: string;
  readonly activation: number;
  readonly strides: readonly number[];
  /** Rows and columns of zeros: top, bottom, left, right. */
  readonly pads: readonly number[];
  /** Makes what is convolved. */
  readonly expand: Pointwise | undefined;
}

/** How a value was made, where an operation that reads it can do that itself. */
export type Origin =
  | Pointwise
  | Depthwise
  | { readonly kind: 'padded'; readonly input: Value; readonly pads: readonly number[] }
  | { readonly kind: 'scaled'; readonly input: string; readonly scale: string };

export interface GraphVariable {
  /** Name in the checkpoint; sorted by name they are in the order of the data file. */
  readonly key: string;
  readonly shape: readonly number[];
  readonly source: WeightSource;
}

export interface WeightOptions {
  /** For what is added to scaled values, not multiplied with them. */
  readonly isScaled?: boolean;
  /** Stays float32 in every precision. */
  readonly staysFloat?: boolean;
  /** The operation that the stored values go through once, and the shape that it gives. */
  readonly prepared?: { readonly op: string; readonly shape: readonly number[] };
}

/** How a variable gets its value. */
interface Restore {
  readonly handle: string;
  readonly type: TensorType;
  readonly scale: number;
  readonly op: string | undefined;
}

const RESTORE: SaverNames = { filename: 'save/filename', restore: 'save/restore_all' };

/**
 * Collects the nodes and variables of one graph. Variables are float32 in the checkpoint and are
 * scaled, cast and prepared once, when they are restored.
 */
export class GraphBuilder {
  readonly saver = RESTORE;
  readonly type: ComputeType;
  /** Values in the compute type are this many times as small as they are: a power of two. */
  readonly scale: number;
  readonly variables: GraphVariable[] = [];
  readonly #nodes: GraphNode[] = [];
  /** Results of `toCompute` and `toFloat`: several layers may read one value. */
  readonly #converted = new Map<string, string>();
  readonly #restores: Restore[] = [];
  readonly #weights = new Map<string, string>();

  constructor(precision: Precision, scale: number) {
    const isHalf = precision === 'fp16';
    this.type = isHalf ? 'half' : precision === 'bf16' ? 'bfloat16' : 'float';
    this.scale = isHalf ? scale : 1;
  }

  /** Adds a node and returns the name of its first output. */
  add(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
  ): string {
    this.#nodes.push({ name, op, inputs, attributes });
    return name;
  }

  /** Adds a node whose type attribute `T` is that of the layers; float32 where `isFloat` says so. */
  compute(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    isFloat = this.type === 'float',
  ): Value {
    const type = { T: { type: isFloat ? 'float' : this.type } };
    return { name: this.add(op, name, inputs, { ...type, ...attributes }), isFloat };
  }

  ints(name: string, shape: readonly number[], values: readonly number[]): string {
    const value = { tensor: tensor('int32', shape, values) };
    return this.add('Const', name, [], { dtype: { type: 'int32' }, value });
  }

  floats(name: string, shape: readonly number[], values: readonly number[]): string {
    const value = { tensor: tensor('float', shape, values) };
    return this.add('Const', name, [], { dtype: { type: 'float' }, value });
  }

  /** A variable of the checkpoint, read. A layer that is called again gets the one that it has. */
  weight(
    name: string,
    shape: readonly number[],
    source: WeightSource,
    options: WeightOptions = {},
  ): string {
    const isShared = source.kind !== 'values';
    const same = isShared ? JSON.stringify([shape, source, options]) : name;
    const known = this.#weights.get(same);
    if (known !== undefined) return known;
    this.#weights.set(same, name);
    const { isScaled = false, staysFloat = false, prepared } = options;
    const type = staysFloat ? 'float' : this.type;
    const key = `${String(this.variables.length).padStart(5, '0')}/${name}`;
    const attributes = {
      dtype: { type },
      shape: { shape: prepared?.shape ?? shape },
      shared_name: { string: key },
    };
    const handle = this.add('VarHandleOp', `${name}/handle`, [], attributes);
    this.variables.push({ key, shape, source });
    this.#restores.push({ handle, type, scale: isScaled ? this.scale : 1, op: prepared?.op });
    return this.add('ReadVariableOp', name, [handle], { dtype: { type } });
  }

  /** The value in the compute type. */
  toCompute({ name, isFloat }: Value): string {
    if (!isFloat || this.type === 'float') return name;
    return this.#convertOnce(name, () => {
      const scaled = this.#multiply(`${name}/scaled`, name, 1 / this.scale);
      return this.#cast(`${name}/cast`, scaled, 'float', this.type);
    });
  }

  /** The value in float32. */
  toFloat({ name, isFloat }: Value): string {
    if (isFloat || this.type === 'float') return name;
    return this.#convertOnce(name, () => {
      const cast = this.#cast(`${name}/float`, name, this.type, 'float');
      return this.#multiply(`${name}/unscaled`, cast, this.scale);
    });
  }

  /** All nodes, those included that restore the variables. */
  finish(): GraphNode[] {
    const { filename, restore } = RESTORE;
    const count = this.variables.length;
    this.add('Placeholder', filename, [], { dtype: { type: 'string' }, shape: { shape: [] } });
    const assigned = count === 0 ? [] : this.#addRestore(filename);
    this.add(
      'NoOp',
      restore,
      assigned.map((name) => `^${name}`),
      {},
    );
    return this.#nodes;
  }

  #addRestore(filename: string): string[] {
    const keys = this.variables.map(({ key }) => key);
    const strings = (name: string, values: readonly string[]) =>
      this.add('Const', name, [], {
        dtype: { type: 'string' },
        value: { tensor: tensor('string', [values.length], values) },
      });
    const names = strings('save/names', keys);
    const slices = strings(
      'save/slices',
      keys.map(() => ''),
    );
    this.add('RestoreV2', 'save/restore', [filename, names, slices], {
      dtypes: { types: keys.map(() => 'float' as const) },
    });
    return this.#restores.map(({ handle, type, scale, op }, i) => {
      const name = `save/assign_${i}`;
      const scaled = this.#multiply(`${name}/scaled`, `save/restore:${i}`, 1 / scale);
      const cast = this.#cast(`${name}/cast`, scaled, 'float', type);
      const value = op === undefined ? cast : this.add(op, `${name}/prepared`, [cast], {});
      return this.add('AssignVariableOp', name, [handle, value], { dtype: { type } });
    });
  }

  #convertOnce(name: string, convert: () => string): string {
    const converted = this.#converted.get(name) ?? convert();
    this.#converted.set(name, converted);
    return converted;
  }

  #multiply(name: string, input: string, factor: number): string {
    if (factor === 1) return input;
    const constant = this.floats(`${name}/by`, [], [factor]);
    return this.add('Mul', name, [input, constant], { T: { type: 'float' } });
  }

  #cast(name: string, input: string, from: TensorType, to: TensorType): string {
    if (from === to) return input;
    return this.add('Cast', name, [input], { SrcT: { type: from }, DstT: { type: to } });
  }
}
