import { expect, test } from 'vitest';
import { EngineError } from '../../src/errors.ts';
import { listVisibleGpus, pickGpus } from '../../src/runtime/gpus.ts';

// Made-up lists of GPUs: no GPU machine was at hand.
const driver = { devices: ['NVIDIA L4', 'NVIDIA L4', 'NVIDIA A10'] };
const shown = (CUDA_VISIBLE_DEVICES: string) =>
  listVisibleGpus(driver, { CUDA_VISIBLE_DEVICES }).map((gpu) => [
    gpu.number,
    gpu.name,
    gpu.env.CUDA_VISIBLE_DEVICES,
  ]);

test('without CUDA_VISIBLE_DEVICES all GPUs count as nvidia-smi counts them', () => {
  expect(listVisibleGpus(driver, {})[2]).toEqual({
    number: 2,
    name: 'NVIDIA A10',
    env: { CUDA_VISIBLE_DEVICES: '2', CUDA_DEVICE_ORDER: 'PCI_BUS_ID' },
  });
  expect(listVisibleGpus(driver, { CUDA_DEVICE_ORDER: 'FASTEST_FIRST' })[0]?.env).toEqual({
    CUDA_VISIBLE_DEVICES: '0',
    CUDA_DEVICE_ORDER: 'FASTEST_FIRST',
  });
});

test('CUDA_VISIBLE_DEVICES leaves some, in its own order', () => {
  expect(shown('2, 0')).toEqual([
    [0, 'NVIDIA A10', '2'],
    [1, 'NVIDIA L4', '0'],
  ]);
});

test('GPUs may be named by UUID', () => {
  expect(shown('GPU-8932f937')).toEqual([[0, 'GPU-8932f937', 'GPU-8932f937']]);
});

test('the compute capability goes with the GPU, also by UUID where all are alike', () => {
  const capabilities = ['8.9', '8.9', '8.6'];
  const of = (CUDA_VISIBLE_DEVICES: string, all: string[]) =>
    listVisibleGpus({ ...driver, capabilities: all }, { CUDA_VISIBLE_DEVICES })[0]?.capability;
  expect([of('2', capabilities), of('GPU-8932f937', capabilities)]).toEqual(['8.6', undefined]);
  expect(of('GPU-8932f937', ['12.0', '12.0', '12.0'])).toBe('12.0');
  expect(listVisibleGpus({ ...driver, capabilities }, {})[2]?.capability).toBe('8.6');
});

test.each(['1,-1,0', '1,7,0', '1,,0'])('CUDA reads "%s" up to what is no GPU', (value) => {
  expect(shown(value)).toEqual([[0, 'NVIDIA L4', '1']]);
});

test('each child sees one GPU and no other', () => {
  const picked = pickGpus([2, 0], listVisibleGpus(driver, {}));
  expect(picked.map(({ env }) => env.CUDA_VISIBLE_DEVICES)).toEqual(['2', '0']);
  expect(pickGpus('all', listVisibleGpus(driver, {}))).toHaveLength(3);
});

test('a number that does not exist names the GPUs found', () => {
  const visible = listVisibleGpus(driver, { CUDA_VISIBLE_DEVICES: '2,0' });
  const pick = () => pickGpus([0, 2], visible);
  expect(pick).toThrow(EngineError);
  expect(pick).toThrow(
    'Expected GPUs that exist for --gpus 0,2 but found 0 (NVIDIA A10), 1 (NVIDIA L4).',
  );
  expect(() => pickGpus('all', [])).toThrow('for --gpus all but found none.');
});
