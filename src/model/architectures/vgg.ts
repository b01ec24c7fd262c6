import type { Architecture, Variant } from './architecture.ts';
import { scaleRounded } from './architecture.ts';
import { conv2d, dense, flatten, input, type LayerRow, maxPooling2d } from './keras-layers.ts';

/** keras.applications.VGG16: Simonyan and Zisserman 2015, configuration D. */
export const VGG16: Architecture = vgg('vgg16', [2, 2, 3, 3, 3]);

/** keras.applications.VGG19: the same, configuration E. */
export const VGG19: Architecture = vgg('vgg19', [2, 2, 4, 4, 4]);

/** `depths` is the number of 3×3 convolutions in each of the five blocks. */
function vgg(name: 'vgg16' | 'vgg19', depths: readonly number[]): Architecture {
  return {
    name,
    modelName: name,
    preprocessing: 'caffe',
    standard: {
      widths: [64, 128, 256, 512, 512],
      fcUnits: [4096, 4096],
      classes: 1000,
      includeTop: true,
      inputSize: [224, 224],
    },
    stages: depths.map((_, block) => `block${block + 1}_conv1`),
    fcLayers: ['fc1', 'fc2'],
    scale: scaleRounded,
    layers: (variant) => vggLayers(depths, variant),
  };
}

function vggLayers(depths: readonly number[], variant: Variant): LayerRow[] {
  const rows: LayerRow[] = [input('input_1', variant.inputSize)];
  const last = () => rows[rows.length - 1].name;
  for (const [block, depth] of depths.entries()) {
    for (let i = 1; i <= depth; i++) {
      rows.push(
        conv2d(`block${block + 1}_conv${i}`, last(), {
          filters: variant.widths[block],
          kernel: 3,
          padding: 'same',
          activation: 'relu',
        }),
      );
    }
    rows.push(maxPooling2d(`block${block + 1}_pool`, last(), 2));
  }
  if (!variant.includeTop) return rows;
  rows.push(flatten('flatten', last()));
  for (const [i, units] of variant.fcUnits.entries()) {
    rows.push(dense(`fc${i + 1}`, last(), { units, activation: 'relu' }));
  }
  rows.push(dense('predictions', last(), { units: variant.classes, activation: 'softmax' }));
  return rows;
}
