import { type Preprocessing, pixelSteps } from '../../options/preprocessing.ts';
import type { GraphBuilder, Value } from './graph-builder.ts';

/** Name of the node that is fed. */
export const INPUT_NODE = 'pixels';

/** int32 values that hold the pixels of one image, the last one filled up. */
export function packedLength([height, width]: readonly [number, number]): number {
  return Math.ceil((height * width * 3) / 4);
}

/**
 * Pixels to the network's float32 input, with the results of `createPreprocess`. They come in as
 * int32 [n, packedLength], four bytes each: TensorFlow keeps int32 on the host, so that making such
 * a tensor waits for no device, and what is moved is a quarter of float32.
 */
export function addPixelInput(
  builder: GraphBuilder,
  preprocessing: Preprocessing,
  [height, width, channels]: readonly [height: number, width: number, channels: number],
): Value {
  const length = height * width * 3;
  const packed = packedLength([height, width]);
  builder.add('Placeholder', INPUT_NODE, [], {
    dtype: { type: 'int32' },
    shape: { shape: [-1, packed] },
  });
  const bytes = builder.add('Bitcast', 'input/bytes', [INPUT_NODE], {
    T: { type: 'int32' },
    type: { type: 'uint8' },
  });
  let flat = reshape(builder, 'input/flat', bytes, [-1, packed * 4]);
  if (packed * 4 !== length) flat = firstOf(builder, 'input/exact', flat, [-1, length]);
  const rgb = reshape(builder, 'input/rgb', flat, [-1, height, width, 3]);
  // The three channels of a gray image are the same.
  const image = channels === 1 ? firstOf(builder, 'input/gray', rgb, [-1, height, width, 1]) : rgb;
  const name = addPreprocessing(builder, preprocessing, image);
  return { name, isFloat: true };
}

const OPS = { multiply: 'Mul', divide: 'RealDiv', subtract: 'Sub' } as const;

/** The steps of `createPreprocess`, each rounded to float32 as there. */
function addPreprocessing(
  builder: GraphBuilder,
  preprocessing: Preprocessing,
  rgb: string,
): string {
  const { isBgr, steps } = pixelSteps(preprocessing);
  let pixels = rgb;
  if (isBgr) {
    const axis = builder.ints('input/channels', [1], [3]);
    pixels = builder.add('ReverseV2', 'input/bgr', [rgb, axis], {
      T: { type: 'uint8' },
      Tidx: { type: 'int32' },
    });
  }
  const float = builder.add('Cast', 'input/float', [pixels], {
    SrcT: { type: 'uint8' },
    DstT: { type: 'float' },
  });
  return steps.reduce((input, { do: operation, by }, i) => {
    const name = `input/step_${i}`;
    // Not a constant: TensorFlow would turn a division by one into a product, which rounds otherwise.
    const source = { kind: 'values', values: by } as const;
    const operand = builder.weight(`${name}/by`, [by.length], source, { staysFloat: true });
    return builder.add(OPS[operation], name, [input, operand], { T: { type: 'float' } });
  }, float);
}

/** The first values along each axis; -1 is all of them. */
function firstOf(
  builder: GraphBuilder,
  name: string,
  input: string,
  shape: readonly number[],
): string {
  const begin = builder.ints(`${name}/begin`, [shape.length], Array(shape.length).fill(0));
  const size = builder.ints(`${name}/size`, [shape.length], shape);
  return builder.add('Slice', name, [input, begin, size], {
    T: { type: 'uint8' },
    Index: { type: 'int32' },
  });
}

function reshape(
  builder: GraphBuilder,
  name: string,
  input: string,
  shape: readonly number[],
): string {
  const target = builder.ints(`${name}/shape`, [shape.length], shape);
  return builder.add('Reshape', name, [input, target], {
    T: { type: 'uint8' },
    Tshape: { type: 'int32' },
  });
}
