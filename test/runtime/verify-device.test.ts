import { expect, test } from 'vitest';
import { type DeviceChoice, GpuUnused, verifyDevice } from '../../src/runtime/choose-device.ts';
import type { TfNode } from '../../src/runtime/tensorflow-js.ts';

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
    reason: 'TensorFlow 2.21.0 uses no GPU (NVIDIA H100 (driver 550.54.15))',
  });
});

test('explicit cuda is an error', () => {
  expect(() => verifyDevice(tfOn(false), { ...cuda, explicit: true })).toThrow(GpuUnused);
});
