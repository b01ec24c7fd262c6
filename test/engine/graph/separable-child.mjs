/**
 * Runs our 1×1 and depthwise convolutions and TensorFlow's own on the same values, for each shape in argv[2] and on
 * argv[3] threads with the instructions argv[4] (default: the fastest), and prints one JSON line: the figures of each shape.
 */
import { createHash } from 'node:crypto';
import { locateRuntime } from '../../../dist/runtime/locate-runtime.js';
import { loadOperations } from '../../../dist/runtime/operations.js';
import { loadTfjsNode } from '../../../dist/runtime/tensorflow-js.js';

const shapes = JSON.parse(process.argv[2]);
const { cpu } = await locateRuntime();
const tf = await loadTfjsNode(cpu, { hideGpu: true });
const { why } = loadOperations(cpu, Number(process.argv[3]), process.argv[4]);
if (why !== undefined) throw new Error(why);

const backend = tf.backend();
const run = (op, attributes, inputs, outputs) =>
  backend.executeMultipleOutputs(
    op,
    Object.entries(attributes).map(([name, value]) => ({
      name,
      type: backend.binding.TF_ATTR_INT,
      value,
    })),
    inputs,
    outputs,
  );
const ACTIVATIONS = [(x) => x, tf.relu, tf.relu6, (x) => tf.mul(x, tf.sigmoid(x)), tf.sigmoid];

const results = shapes.map(({ batch, height, width, into, out, kernel, stride }, seed) =>
  tf.tidy(() => {
    let seeds = 10 * seed;
    const random = (...shape) => tf.randomNormal(shape, 0, 1, 'float32', ++seeds);
    const input = random(batch, height, width, into);
    const point = random(1, 1, into, out);
    const deep = random(kernel, kernel, out, 1);
    const [bias, deepBias, scale] = [random(out), random(out), random(batch, 1, 1, into)];
    const residual = random(batch, height, width, out);
    const none = tf.tensor1d([]);
    const [panels] = run('Img2FeaturesPanels', {}, [point], 1);
    const activation = seed % ACTIVATIONS.length;
    const expand = (seed + 1) % ACTIVATIONS.length;
    const strides = [stride, stride];
    // Uneven, as SAME has it for strides.
    const pads = [1, 2, 0, 1];
    const convolve = (x) =>
      tf.add(
        tf.depthwiseConv2d(
          tf.pad(x, [
            [0, 0],
            [1, 2],
            [0, 1],
            [0, 0],
          ]),
          deep,
          stride,
          'valid',
        ),
        deepBias,
      );
    const mixed = (x) => tf.add(tf.conv2d(x, point, 1, 'valid'), bias);
    const pairs = {
      point: [
        run('Img2FeaturesPointwiseConv2D', { activation }, [input, panels, bias, none, none], 1),
        [ACTIVATIONS[activation](mixed(input))],
      ],
      scaled: [
        run(
          'Img2FeaturesPointwiseConv2D',
          { activation },
          [input, panels, bias, scale, residual],
          1,
        ),
        [ACTIVATIONS[activation](tf.add(mixed(tf.mul(input, scale)), residual))],
      ],
      depthwise: [
        run(
          'Img2FeaturesDepthwiseConv2D',
          { activation, expand: 0, strides, pads },
          [residual, deep, deepBias, none, none],
          2,
        ),
        [ACTIVATIONS[activation](convolve(residual))],
      ],
      expanded: [
        run(
          'Img2FeaturesDepthwiseConv2D',
          { activation, expand, strides, pads },
          [input, deep, deepBias, panels, bias],
          2,
        ),
        [ACTIVATIONS[activation](convolve(ACTIVATIONS[expand](mixed(input))))],
      ],
    };
    const errors = Object.entries(pairs).map(([name, [found, expected]]) => {
      // The second output of a depthwise one: means over height and width.
      const means = found.length > 1 ? [tf.mean(expected[0], [1, 2])] : [];
      const error = [...expected, ...means].map((wanted, i) => {
        if (String(found[i].shape) !== String(wanted.shape)) return Number.POSITIVE_INFINITY;
        const largest = tf.max(tf.abs(wanted)).dataSync()[0];
        return tf.max(tf.abs(tf.sub(found[i], wanted))).dataSync()[0] / largest;
      });
      return [name, Math.max(...error)];
    });
    const hash = createHash('sha256');
    for (const [found] of Object.values(pairs)) for (const x of found) hash.update(x.dataSync());
    return { errors: Object.fromEntries(errors), hash: hash.digest('hex') };
  }),
);
process.stdout.write(`${JSON.stringify(results)}\n`);
