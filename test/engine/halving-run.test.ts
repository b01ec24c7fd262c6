import { expect, test } from 'vitest';
import { HalvingRun } from '../../src/engine/halving-run.ts';
import type { Network } from '../../src/engine/network.ts';
import { saysOutOfMemory } from '../../src/engine/out-of-memory.ts';

/** One value an image, its first byte; memory for `most` images. Notes the size of each run. */
function smallNetwork(most: number, runs: number[] = []): Network {
  return {
    library: 'test',
    conv: 'direct',
    outputs: [
      { layer: 'first', pool: 'none', length: 1 },
      { layer: 'both', pool: 'none', length: 2 },
    ],
    numTensors: () => 0,
    run: (pixels, n, [first, all]) => {
      runs.push(n);
      if (n > most) throw new Error(`OOM when allocating tensor with shape[${n},2]`);
      all.set(pixels);
      first.set(pixels.filter((_, i) => i % 2 === 0));
      return 10;
    },
  };
}

const FIVE = Uint8Array.from([10, 11, 20, 21, 30, 31, 40, 41, 50, 51]);
const featuresOf = (images: number) => [images, 2 * images].map((it) => new Float32Array(it));

test('a batch that fits runs whole', () => {
  const runs: number[] = [];
  const halving = new HalvingRun();
  halving.run(smallNetwork(5, runs), FIVE, 5, featuresOf(5));
  expect(runs).toEqual([5]);
  expect(halving.most).toBeUndefined();
});

test('a batch that does not fit runs in halves, in order, and so do those after it', () => {
  const runs: number[] = [];
  const halving = new HalvingRun();
  const network = smallNetwork(2, runs);
  const outputs = featuresOf(5);
  const busyMs = halving.run(network, FIVE, 5, outputs);
  expect(outputs.map((values) => [...values])).toEqual([[10, 20, 30, 40, 50], [...FIVE]]);
  expect(runs).toEqual([5, 3, 2, 2, 1]);
  expect(busyMs).toBe(30);
  expect(halving.most).toBe(2);
  runs.length = 0;
  halving.run(network, FIVE.subarray(0, 8), 4, featuresOf(4));
  halving.run(network, FIVE.subarray(0, 2), 1, featuresOf(1));
  expect(runs).toEqual([2, 2, 1]);
});

test('one image that does not fit is a failure', () => {
  expect(() => new HalvingRun().run(smallNetwork(0), FIVE, 5, featuresOf(5))).toThrow('shape[1,2]');
});

test('other failures are not tried again', () => {
  const runs: number[] = [];
  const broken = { ...smallNetwork(9), run: (_: Uint8Array, n: number) => fail(runs, n) };
  expect(() => new HalvingRun().run(broken, FIVE, 5, featuresOf(5))).toThrow('no such node');
  expect(runs).toEqual([5]);
});

function fail(runs: number[], n: number): never {
  runs.push(n);
  throw new Error('no such node');
}

test.each([
  'Session fail to run with error: OOM when allocating tensor with shape[64,224,224,64]',
  'Session fail to run with error: RESOURCE_EXHAUSTED: Out of memory while trying to allocate',
  'ResourceExhaustedError: failed to allocate memory',
  'CUDA_ERROR_OUT_OF_MEMORY: out of memory',
  'Array buffer allocation failed',
  'CUDNN_STATUS_ALLOC_FAILED in external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc(4369)',
  'Failed to create cublas handle: CUBLAS_STATUS_ALLOC_FAILED',
  'UNIMPLEMENTED: DNN library initialization failed. Look at the errors above for more details.',
  'INTERNAL: No DNN in stream executor.',
  'CUDNN failed to allocate the scratch space for the runner or to find a working no-scratch runner.',
  'NOT_FOUND: No algorithm worked!  Error messages: none fits its workspace',
  'Failed to allocate scratch buffer for device 0',
  'INTERNAL: Attempting to perform BLAS operation using StreamExecutor without BLAS support',
])('"%s" says that memory ran out', (message) => {
  expect(saysOutOfMemory(message)).toBe(true);
});

test.each(['No such file or directory', 'the ROOM is full', 'Invalid argument: shape'])(
  '"%s" does not',
  (message) => {
    expect(saysOutOfMemory(message)).toBe(false);
  },
);
