/**
 * Runs our convolution and TensorFlow's own on the same values, for each shape in argv[2] and on
 * argv[3] threads with the instructions argv[4] (default: the fastest), and prints one JSON line: the figures of each shape.
 */
import { createHash } from 'node:crypto';
import { locateRuntime } from '../../../dist/runtime/locate-runtime.js';
import { loadOperations, runWinograd, transformKernel } from '../../../dist/runtime/operations.js';
import { loadTfjsNode } from '../../../dist/runtime/tensorflow-js.js';

const shapes = JSON.parse(process.argv[2]);
const { cpu } = await locateRuntime();
const tf = await loadTfjsNode(cpu, { hideGpu: true });
const { why } = loadOperations(cpu, Number(process.argv[3]), process.argv[4]);
if (why !== undefined) throw new Error(why);

const convolve = (input, kernel, bias, relu, pool = false) =>
  runWinograd(tf, input, transformKernel(tf, kernel), bias, { relu, pool });

const results = shapes.map(({ batch, height, width, into, out, relu }, seed) =>
  tf.tidy(() => {
    const input = tf.randomNormal([batch, height, width, into], 0, 1, 'float32', seed + 1);
    const kernel = tf.randomNormal([3, 3, into, out], 0, 1, 'float32', seed + 2);
    const bias = tf.randomNormal([out], 0, 1, 'float32', seed + 3);
    const found = convolve(input, kernel, bias, relu);
    const sums = tf.add(tf.conv2d(input, kernel, 1, 'same'), bias);
    const expected = relu ? tf.relu(sums) : sums;
    const last = convolve(input.slice([batch - 1]), kernel, bias, relu);
    const values = found.dataSync();
    const canPool = height % 2 === 0 && width % 2 === 0;
    const pooled = canPool && convolve(input, kernel, bias, relu, true).dataSync();
    const expectedPool = canPool && tf.maxPool(found, 2, 2, 'valid').dataSync();
    // One NaN in the middle of the first image.
    const middle = Math.floor((height * width) / 2) * into;
    const poisoned = input.dataSync().slice();
    poisoned[middle] = Number.NaN;
    const sick = convolve(tf.tensor(poisoned, input.shape), kernel, bias, relu).dataSync();
    const imageLength = height * width * out;
    return {
      shape: found.shape,
      error: tf.max(tf.abs(tf.sub(found, expected))).dataSync()[0],
      largest: tf.max(tf.abs(sums)).dataSync()[0],
      hash: createHash('sha256').update(values).digest('hex'),
      isLastAlone: Buffer.from(last.dataSync().buffer).equals(
        Buffer.from(values.slice(-imageLength).buffer),
      ),
      isPoolExact: !canPool || pooled.every((value, i) => value === expectedPool[i]),
      isPoisonedAtNan: Number.isNaN(sick[(middle / into) * out]),
      areOthersSound: sick.slice(imageLength).every((v, i) => v === values[imageLength + i]),
    };
  }),
);
process.stdout.write(`${JSON.stringify(results)}\n`);
