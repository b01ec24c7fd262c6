/**
 * Layers and activations of Keras that tfjs lacks, or computes otherwise than Keras, added to tfjs under the names that
 * they have in Keras' JSON.
 */
import type * as TfjsNamespace from '@tensorflow/tfjs';

type Tfjs = Omit<typeof TfjsNamespace, 'default'>;
type Tensor = TfjsNamespace.Tensor;
type Shape = (number | null)[];
type Pair = [height: number, width: number];
// biome-ignore lint/suspicious/noExplicitAny: the classes of tfjs' layers and their fields are not part of its types.
type Untyped = any;

const extended = new WeakSet<object>();

/** Adds them once; returns the same tfjs. */
export function addKerasLayers<T extends Tfjs>(tf: T): T {
  const { registerClass, SerializationMap } = tf.serialization;
  // Copies of tfjs in one process have a register each.
  const register = SerializationMap.getMap();
  if (extended.has(register)) return tf;
  extended.add(register);
  for (const make of MADE) registerClass(make(tf));
  for (const [className, apply] of Object.entries(activations(tf))) {
    registerClass(activationClass(tf, className, apply));
  }
  return tf;
}

const MADE: readonly ((tf: Tfjs) => Untyped)[] = [
  groupedConvolution,
  dilatedDepthwise,
  upSampling,
  resizing,
  centerCrop,
  layerScale,
  spatialDropout,
  reshape,
];

/** By tfjs' form of the name: hard_silu in JSON is hardSilu. */
function activations(tf: Tfjs): Record<string, (x: Tensor) => Tensor> {
  const hardSigmoid = (x: Tensor) => tf.mul(tf.relu6(tf.add(x, 3)), 1 / 6);
  const cubic = (x: Tensor) => tf.add(x, tf.mul(0.044715, tf.mul(x, tf.square(x))));
  const tanh = (x: Tensor) => tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), cubic(x)));
  return {
    hardSigmoidKeras3: hardSigmoid,
    hardSilu: (x) => tf.mul(x, hardSigmoid(x)),
    leakyRelu: (x) => tf.leakyRelu(x, 0.2),
    exponential: (x) => tf.exp(x),
    // tfjs has it as gelu_new, a name that its reader of JSON does not find.
    geluNew: (x) => tf.mul(tf.mul(0.5, x), tf.add(1, tanh(x))),
  };
}

function activationClass(tf: Tfjs, name: string, apply: (x: Tensor) => Tensor): Untyped {
  return class extends tf.serialization.Serializable {
    static className = name;
    getConfig() {
      return {};
    }
    apply(x: Tensor): Tensor {
      return tf.tidy(() => apply(x));
    }
  };
}

/** tfjs' own class of that name. */
function original(tf: Tfjs, className: string): Untyped {
  return tf.serialization.SerializationMap.getMap().classNameMap[className][0];
}

function one<T>(value: T | T[]): T {
  return Array.isArray(value) ? value[0] : value;
}

function shapeOf(shape: Untyped): Shape {
  return Array.isArray(shape[0]) ? shape[0] : shape;
}

/** Conv2D with `groups`: each group of output channels reads its own group of input channels. */
function groupedConvolution(tf: Tfjs): Untyped {
  return class extends original(tf, 'Conv2D') {
    static className = 'Conv2D';
    constructor(args: Untyped) {
      super(args);
      this.groups = args.groups ?? 1;
    }
    build(inputShape: Untyped) {
      if (this.groups === 1) return super.build(inputShape);
      const shape = shapeOf(inputShape);
      super.build([...shape.slice(0, -1), shape[3]! / this.groups]);
      this.inputSpec = [{ ndim: 4, axes: { 3: shape[3] } }];
    }
    call(inputs: Tensor | Tensor[], kwargs: Untyped) {
      if (this.groups === 1) return super.call(inputs, kwargs);
      return tf.tidy(() => finish(tf, this, this.convolveGroups(one(inputs))));
    }
    convolveGroups(x: Untyped): Tensor {
      const { groups, strides, padding, dilationRate } = this;
      const kernel = this.kernel.read();
      if (x.shape[3] === groups) {
        const [height, width, , filters] = kernel.shape;
        const depthwise = tf.reshape(kernel, [height, width, groups, filters / groups]);
        return tf.depthwiseConv2d(
          x,
          depthwise as Untyped,
          strides,
          padding,
          'NHWC',
          dilationRate,
        ) as Tensor;
      }
      const kernels = tf.split(kernel, groups, 3);
      const pieces = tf.split(x as Tensor, groups, 3).map((piece, i) => {
        const [input, filter] = [piece, kernels[i]] as Untyped[];
        return tf.conv2d(input, filter, strides, padding, 'NHWC', dilationRate) as Tensor;
      });
      return tf.concat(pieces, 3);
    }
  };
}

/** DepthwiseConv2D with `dilation_rate`, which tfjs ignores. */
function dilatedDepthwise(tf: Tfjs): Untyped {
  return class extends original(tf, 'DepthwiseConv2D') {
    static className = 'DepthwiseConv2D';
    call(inputs: Tensor | Tensor[]) {
      const { strides, padding, dilationRate } = this;
      return tf.tidy(() => {
        const [x, kernel] = [one(inputs), this.depthwiseKernel.read()] as Untyped[];
        const y = tf.depthwiseConv2d(x, kernel, strides, padding, 'NHWC', dilationRate);
        return finish(tf, this, y as Tensor);
      });
    }
    computeOutputShape(inputShape: Untyped): Shape {
      const { kernelSize, dilationRate, padding } = this;
      const shape: Shape = super.computeOutputShape(inputShape);
      if (padding === 'same' || dilationRate.every((rate: number) => rate === 1)) return shape;
      const [batch, ...sides] = shapeOf(inputShape);
      const [height, width] = [0, 1].map((i) =>
        sides[i] === null ? null : sides[i] - (kernelSize[i] - 1) * dilationRate[i],
      );
      return [batch, height, width, shape[3]];
    }
  };
}

function finish(tf: Tfjs, layer: Untyped, value: Tensor): Tensor {
  const biased = layer.useBias ? tf.add(value, layer.bias.read()) : value;
  return layer.activation ? layer.activation.apply(biased) : biased;
}

/** TensorFlow's resizing: the centres of pixels are compared, not their corners as tfjs does. */
function resize(tf: Tfjs, x: Untyped, size: Pair, interpolation: unknown): Tensor {
  return interpolation === 'nearest'
    ? tf.image.resizeNearestNeighbor(x, size, false, true)
    : tf.image.resizeBilinear(x, size, false, true);
}

function upSampling(tf: Tfjs): Untyped {
  return class extends original(tf, 'UpSampling2D') {
    static className = 'UpSampling2D';
    call(inputs: Tensor | Tensor[], kwargs: Untyped) {
      if (this.interpolation !== 'bilinear') return super.call(inputs, kwargs);
      const [, height, width] = one(inputs).shape;
      const size: Pair = [height * this.size[0], width * this.size[1]];
      return tf.tidy(() => resize(tf, one(inputs), size, 'bilinear'));
    }
  };
}

/** What changes height and width to those of its config. */
function toSize(
  tf: Tfjs,
  name: string,
  change: (x: Tensor, size: Pair, config: Untyped) => Tensor,
): Untyped {
  return class extends tf.layers.Layer {
    static className = name;
    readonly args: Untyped;
    constructor(args: Untyped) {
      super(args);
      this.args = args;
    }
    override call(inputs: Tensor | Tensor[]) {
      const { height, width } = this.args;
      return tf.tidy(() => change(one(inputs), [height, width], this.args));
    }
    override computeOutputShape(inputShape: Untyped): Shape {
      const [batch, rows, columns, channels] = shapeOf(inputShape);
      // Keras resizes images that are too small to be cut.
      if (name === 'CenterCrop' && (rows! < this.args.height || columns! < this.args.width)) {
        throw new Error(`CenterCrop ${this.name} of more than its input has`);
      }
      return [batch, this.args.height, this.args.width, channels];
    }
    override getConfig() {
      return { ...super.getConfig(), ...this.args };
    }
  };
}

function resizing(tf: Tfjs): Untyped {
  return toSize(tf, 'Resizing', (x, size, { interpolation }) => resize(tf, x, size, interpolation));
}

function centerCrop(tf: Tfjs): Untyped {
  return toSize(tf, 'CenterCrop', (x, [height, width]) => {
    const [, rows, columns] = x.shape as number[];
    const begin = [0, Math.floor((rows - height) / 2), Math.floor((columns - width) / 2), 0];
    return tf.slice(x, begin, [-1, height, width, -1]);
  });
}

/** ConvNeXt's factor for each channel. */
function layerScale(tf: Tfjs): Untyped {
  return class extends tf.layers.Layer {
    static className = 'LayerScale';
    private gamma: Untyped;
    override build(inputShape: Untyped) {
      const channels = shapeOf(inputShape).at(-1)!;
      this.gamma = this.addWeight('gamma', [channels], 'float32', tf.initializers.zeros());
      this.built = true;
    }
    override call(inputs: Tensor | Tensor[]) {
      return tf.tidy(() => tf.mul(one(inputs), this.gamma.read()));
    }
  };
}

/** Like any dropout it does nothing outside training. */
function spatialDropout(tf: Tfjs): Untyped {
  return class extends original(tf, 'Dropout') {
    static className = 'SpatialDropout2D';
  };
}

/** tfjs leaves the -1 of a target open and then cannot build a Flatten or Dense behind it. */
function reshape(tf: Tfjs): Untyped {
  return class extends original(tf, 'Reshape') {
    static className = 'Reshape';
    computeOutputShape(inputShape: Untyped): Shape {
      const [batch, ...sides] = shapeOf(inputShape);
      if (sides.includes(null)) return super.computeOutputShape(inputShape);
      return [batch, ...this.fixUnknownDimension(sides, this.targetShape)];
    }
  };
}
