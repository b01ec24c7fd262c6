import type { Preprocessing } from '../../model/model-folder.ts';
import { CAFFE_MEAN_BGR, TORCH_MEAN_RGB, TORCH_STD_RGB } from '../preprocess.ts';
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
  mode: Preprocessing,
  inputSize: readonly [height: number, width: number],
): Value {
  const [height, width] = inputSize;
  const length = height * width * 3;
  const packed = packedLength(inputSize);
  builder.add('Placeholder', INPUT_NODE, [], {
    dtype: { type: 'int32' },
    shape: { shape: [-1, packed] },
  });
  const bytes = builder.add('Bitcast', 'input/bytes', [INPUT_NODE], {
    T: { type: 'int32' },
    type: { type: 'uint8' },
  });
  let flat = reshape(builder, 'input/flat', bytes, [-1, packed * 4]);
  if (packed * 4 !== length) {
    const begin = builder.ints('input/begin', [2], [0, 0]);
    const size = builder.ints('input/size', [2], [-1, length]);
    flat = builder.add('Slice', 'input/exact', [flat, begin, size], {
      T: { type: 'uint8' },
      Index: { type: 'int32' },
    });
  }
  const rgb = reshape(builder, 'input/rgb', flat, [-1, height, width, 3]);
  const name = addPreprocessing(builder, mode, rgb);
  return { name, isFloat: true };
}

/** The steps of `createPreprocess`, each rounded to float32 as there. */
function addPreprocessing(builder: GraphBuilder, mode: Preprocessing, rgb: string): string {
  const step = (op: string, name: string, input: string, values: readonly number[]): string => {
    // Not a constant: TensorFlow would turn a division by one into a product, which rounds otherwise.
    const source = { kind: 'values', values } as const;
    const operand = builder.weight(`${name}/by`, [values.length], source, { staysFloat: true });
    return builder.add(op, name, [input, operand], { T: { type: 'float' } });
  };
  const toFloat = (input: string) =>
    builder.add('Cast', 'input/float', [input], {
      SrcT: { type: 'uint8' },
      DstT: { type: 'float' },
    });
  switch (mode) {
    case 'caffe': {
      const axis = builder.ints('input/channels', [1], [3]);
      const bgr = builder.add('ReverseV2', 'input/bgr', [rgb, axis], {
        T: { type: 'uint8' },
        Tidx: { type: 'int32' },
      });
      return step('Sub', 'input/centred', toFloat(bgr), CAFFE_MEAN_BGR);
    }
    case 'tf':
      return step(
        'Sub',
        'input/centred',
        step('RealDiv', 'input/unit', toFloat(rgb), [127.5]),
        [1],
      );
    case 'torch': {
      const unit = step('RealDiv', 'input/unit', toFloat(rgb), [255]);
      const centred = step('Sub', 'input/centred', unit, TORCH_MEAN_RGB);
      return step('RealDiv', 'input/standard', centred, TORCH_STD_RGB);
    }
    case 'none':
      return toFloat(rgb);
  }
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
