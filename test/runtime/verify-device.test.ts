import { expect, test } from 'vitest';
import { EngineError } from '../../src/errors.ts';
import type { DeviceChoice } from '../../src/runtime/choose-device.ts';
import type { TfNode } from '../../src/runtime/tensorflow-js.ts';
import { gpuCause, verifyDevice } from '../../src/runtime/verify-device.ts';

const tfOn = (gpu: boolean) =>
  ({ backend: () => ({ isUsingGpuDevice: gpu }) }) as unknown as TfNode;
const cuda: DeviceChoice = {
  device: 'cuda',
  reason: 'NVIDIA H100 (driver 550.54.15)',
  runtime: { kind: 'gpu', dir: '/gpu', bindingPath: '/gpu/a.node', tensorflow: '2.21.0' },
  explicit: false,
};

test('a choice that came true stays as it is', () => {
  expect(verifyDevice(tfOn(true), cuda)).toBe(cuda);
  const cpu: DeviceChoice = { device: 'cpu', reason: 'no GPU', explicit: false };
  expect(verifyDevice(tfOn(false), cpu)).toBe(cpu);
});

test('auto goes down to the CPU and says why', () => {
  expect(verifyDevice(tfOn(false), cuda)).toMatchObject({
    device: 'cpu',
    reason: 'TensorFlow 2.21.0 sees no GPU it can use (NVIDIA H100 (driver 550.54.15))',
  });
});

test('explicit cuda is an error', () => {
  expect(() => verifyDevice(tfOn(false), { ...cuda, explicit: true })).toThrow(EngineError);
});

test("the cause is read from the library's own log", () => {
  const cuInit =
    'E0000 00:00:1795391349.937605 23902 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)\n';
  expect(gpuCause(cuInit)).toBe('CUDA did not start: Failed call to cuInit: UNKNOWN ERROR (303)');
  const dlopen = "W dso_loader.cc:55] Could not load dynamic library 'libcudnn.so.9'; dlerror: …\n";
  expect(gpuCause(dlopen)).toBe('the library libcudnn.so.9 could not be loaded');
  expect(gpuCause('oneDNN custom operations are on.')).toBeUndefined();
});
