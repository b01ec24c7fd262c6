import type { Preprocessing } from '../model/model-folder.ts';

/** Turns uint8 RGB pixels into the network's float32 input; `out` has as many values as `pixels`. */
export type Preprocess = (pixels: Uint8Array, out: Float32Array) => void;

/**
 * Keras' `imagenet_utils.preprocess_input` as numpy computes it in float32, for pixels [.., 3]:
 * every step is rounded to float32. A pixel has 256 values, so the 3 × 256 results are a table.
 *
 * - caffe: RGB -> BGR, minus the ImageNet mean; no scaling
 * - tf: x / 127.5 - 1
 * - torch: x / 255, minus the mean, divided by the standard deviation, for each channel
 * - none: 0–255 as they are
 */
export function createPreprocess(mode: Preprocessing): Preprocess {
  const swaps = mode === 'caffe';
  const [first, second, third] = [0, 1, 2].map((channel) => createTable(mode, channel));
  return (pixels, out) => {
    const [red, blue] = swaps ? [2, 0] : [0, 2];
    for (let i = 0; i < pixels.length; i += 3) {
      out[i] = first[pixels[i + red]];
      out[i + 1] = second[pixels[i + 1]];
      out[i + 2] = third[pixels[i + blue]];
    }
  };
}

// keras/src/applications/imagenet_utils.py, by output channel.
export const CAFFE_MEAN_BGR = [103.939, 116.779, 123.68];
export const TORCH_MEAN_RGB = [0.485, 0.456, 0.406];
export const TORCH_STD_RGB = [0.229, 0.224, 0.225];

/** The float32 value of each pixel value in one output channel. */
function createTable(mode: Preprocessing, channel: number): Float32Array {
  // The sum or quotient of two float32 values, computed in double and rounded once, is the float32
  // result: double has more than twice the digits.
  const f = Math.fround;
  return Float32Array.from({ length: 256 }, (_, value) => {
    switch (mode) {
      case 'caffe':
        return f(value - f(CAFFE_MEAN_BGR[channel]));
      case 'tf':
        return f(f(value / f(127.5)) - 1);
      case 'torch': {
        const centred = f(f(value / 255) - f(TORCH_MEAN_RGB[channel]));
        return f(centred / f(TORCH_STD_RGB[channel]));
      }
      case 'none':
        return value;
    }
  });
}
