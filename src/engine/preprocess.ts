import { type PixelStep, type Preprocessing, pixelSteps } from '../options/preprocessing.ts';

/** Turns uint8 RGB pixels into the network's float32 input; `out` has as many values as `pixels`, or a third for gray. */
export type Preprocess = (pixels: Uint8Array, out: Float32Array) => void;

/**
 * The preprocessing as numpy computes it in float32 (Keras' `imagenet_utils.preprocess_input`), for
 * pixels [.., 3]: every step is rounded to float32. A pixel has 256 values, so the 3 × 256 results are a table.
 * The three channels of a gray image are the same; the network takes one of them.
 */
export function createPreprocess(preprocessing: Preprocessing, isGray = false): Preprocess {
  const { isBgr, steps } = pixelSteps(preprocessing);
  const [first, second, third] = [0, 1, 2].map((channel) => createTable(steps, channel));
  if (isGray) {
    return (pixels, out) => {
      for (let i = 0; i < out.length; i++) out[i] = first[pixels[i * 3]];
    };
  }
  return (pixels, out) => {
    const [red, blue] = isBgr ? [2, 0] : [0, 2];
    for (let i = 0; i < pixels.length; i += 3) {
      out[i] = first[pixels[i + red]];
      out[i + 1] = second[pixels[i + 1]];
      out[i + 2] = third[pixels[i + blue]];
    }
  };
}

/** The float32 value of each pixel value in one output channel. */
function createTable(steps: readonly PixelStep[], channel: number): Float32Array {
  // The result of one operation on two float32 values, computed in double and rounded once, is the
  // float32 result: double has more than twice the digits.
  const compute = (value: number, { do: operation, by }: PixelStep) => {
    const operand = Math.fround(by[by.length === 1 ? 0 : channel]);
    if (operation === 'divide') return Math.fround(value / operand);
    return Math.fround(operation === 'subtract' ? value - operand : value * operand);
  };
  return Float32Array.from({ length: 256 }, (_, value) => steps.reduce(compute, value));
}
