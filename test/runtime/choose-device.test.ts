import { expect, test } from 'vitest';
import { EngineError, RuntimeError } from '../../src/errors.ts';
import { chooseDevice } from '../../src/runtime/choose-device.ts';
import { type GpuDriver, listVisibleGpus } from '../../src/runtime/gpus.ts';
import type { FoundRuntimes } from '../../src/runtime/locate-runtime.ts';
import type { TensorFlowRuntime } from '../../src/runtime/tensorflow-runtime.ts';

const runtime = (kind: 'cpu' | 'gpu', dir: string): TensorFlowRuntime => ({
  kind,
  dir,
  bindingPath: `${dir}/tfjs_binding.node`,
  tensorflow: '2.21.0',
});
const cpu = runtime('cpu', '/cache/cpu');
const gpu = runtime('gpu', '/cache/gpu');
const own = { ...runtime('gpu', '/project/gpu'), packageDir: '/project/gpu' };
const platform = { name: 'linux-x64', key: 'linux-x64', reason: undefined } as const;
const noDriver: GpuDriver = {
  present: false,
  missing: 'driver',
  version: undefined,
  devices: [],
  detail: 'no NVIDIA driver',
};
const h100: GpuDriver = {
  present: true,
  version: '550.54.15',
  devices: ['NVIDIA H100'],
  detail: 'NVIDIA H100 (driver 550.54.15)',
};
const found = (parts: Partial<FoundRuntimes>): FoundRuntimes => ({
  platform,
  driver: noDriver,
  ...parts,
});
const alpine = {
  name: 'linux-x64',
  key: undefined,
  reason: 'TensorFlow needs glibc and this system has another C library',
};

test('auto takes CUDA when a driver and the CUDA library are here', () => {
  expect(chooseDevice('auto', found({ cpu, gpu, driver: h100 }))).toEqual({
    device: 'cuda',
    reason: 'NVIDIA H100 (driver 550.54.15)',
    runtime: gpu,
    explicit: false,
  });
});

test('an installed tfjs-node-gpu that works goes before the cached library', () => {
  const choice = chooseDevice('auto', found({ gpu, installedGpuPackage: own, driver: h100 }));
  expect(choice.runtime).toBe(own);
});

test('auto without a driver takes the CPU library, also when the CUDA one is cached', () => {
  expect(chooseDevice('auto', found({ cpu, gpu }))).toEqual({
    device: 'cpu',
    reason: 'found no NVIDIA driver',
    runtime: cpu,
    explicit: false,
  });
});

test('auto with only the CUDA library and no driver runs that on the CPU', () => {
  const choice = chooseDevice('auto', found({ gpu }));
  expect([choice.device, choice.runtime]).toEqual(['cpu', gpu]);
});

test('auto with a GPU and only the CPU library says what would use the GPU', () => {
  const choice = chooseDevice('auto', found({ cpu, driver: h100 }));
  expect(choice.device).toBe('cpu');
  expect(choice.reason).toBe(
    'found NVIDIA H100 (driver 550.54.15) with only the CPU library set up: Run `img2features setup --gpu`.',
  );
});

test('auto with nothing set up takes WebAssembly and names the fix', () => {
  const choice = chooseDevice('auto', found({}));
  expect([choice.device, choice.runtime]).toEqual(['wasm', undefined]);
  expect(choice.reason).toMatch(/library is not set up.*`img2features setup` changes that/);
});

test('auto on a platform without a library says why', () => {
  const choice = chooseDevice('auto', found({ platform: alpine }));
  expect(choice.device).toBe('wasm');
  expect(choice.reason).toMatch(/^TensorFlow needs glibc .*WebAssembly runs instead$/);
});

test('explicit cuda with all in place is taken', () => {
  const choice = chooseDevice('cuda', found({ cpu, gpu, driver: h100 }));
  expect([choice.device, choice.runtime, choice.explicit]).toEqual(['cuda', gpu, true]);
});

const refusal = (requested: 'cuda' | 'cpu', parts: Partial<FoundRuntimes>): string => {
  try {
    chooseDevice(requested, found(parts));
  } catch (error) {
    expect(error).toBeInstanceOf(EngineError);
    return `${(error as EngineError).message} ${(error as EngineError).fix}`;
  }
  return 'no error';
};

test('explicit cuda without a driver names the driver', () => {
  expect(refusal('cuda', { cpu, gpu })).toBe(
    "Expected a GPU for --device cuda but found no NVIDIA driver. Install NVIDIA's driver (in a container: start it with the GPU), or use --device auto.",
  );
});

test('explicit cuda with the CPU library only says so', () => {
  expect(refusal('cuda', { cpu, driver: h100 })).toBe(
    'Expected a GPU for --device cuda but found NVIDIA H100 (driver 550.54.15) with only the CPU library set up. Run `img2features setup --gpu`.',
  );
});

test('explicit cuda with no library says so', () => {
  expect(refusal('cuda', { driver: h100 })).toMatch(
    /with the CUDA library not set up\. Run `img2features setup --gpu`\.$/,
  );
});

test('explicit cuda with a driver older than CUDA 12 accepts names the version it needs', () => {
  const old = { ...h100, version: '470.82.01', detail: 'Tesla T4 (driver 470.82.01)' };
  expect(refusal('cuda', { gpu, driver: old })).toBe(
    'Expected a GPU for --device cuda but found Tesla T4 (driver 470.82.01), too old for CUDA 12. Update the NVIDIA driver to 525.60 or newer.',
  );
});

const rtx5090: GpuDriver = {
  present: true,
  version: '570.86.10',
  devices: ['NVIDIA GeForce RTX 5090', 'NVIDIA H100'],
  capabilities: ['12.0', '9.0'],
  detail: 'NVIDIA GeForce RTX 5090, NVIDIA H100 (driver 570.86.10)',
};
const NO_CODE =
  'NVIDIA GeForce RTX 5090 with compute capability 12.0, for which TensorFlow 2.21.0 has no code (only for 6.0 to 9.x)';
const WAY_OUT =
  'Name a TensorFlow that was built for it in IMG2FEATURES_TENSORFLOW (docs/gpu.md), or use --device cpu.';

test('a GPU that the library has no code for is an error with the way out, before the library loads', () => {
  expect(refusal('cuda', { cpu, gpu, driver: rtx5090 })).toBe(
    `Expected a GPU for --device cuda but found ${NO_CODE}. ${WAY_OUT}`,
  );
  expect(refusal('cuda', { gpu, driver: { ...rtx5090, capabilities: ['5.2', '9.0'] } })).toMatch(
    /compute capability 5\.2, for which/,
  );
});

test('auto leaves such a GPU alone and says so', () => {
  const choice = chooseDevice('auto', found({ cpu, gpu, driver: rtx5090 }));
  expect(choice).toMatchObject({ device: 'cpu', runtime: cpu });
  expect(choice.reason).toBe(`found ${NO_CODE}: ${WAY_OUT}`);
});

test('only the GPUs that are used are judged', () => {
  const both = found({ gpu, driver: rtx5090 });
  const visible = listVisibleGpus(rtx5090, {});
  expect(chooseDevice('cuda', both, [visible[1]!]).device).toBe('cuda');
  expect(() => chooseDevice('cuda', both, visible)).toThrow('RTX 5090 with compute');
});

test('a TensorFlow that the user brings goes before all others, and its GPUs are not judged', () => {
  const brought = { ...runtime('gpu', '/cache/own'), tensorflow: '2.22.0' };
  const all = found({ cpu, gpu, installedGpuPackage: own, own: brought, driver: rtx5090 });
  expect(chooseDevice('cuda', all).runtime).toBe(brought);
  expect(chooseDevice('cpu', all).runtime).toBe(brought);
  expect(chooseDevice('auto', found({ own: brought })).runtime).toBe(brought);
});

test('one that was built without CUDA is never taken for a GPU', () => {
  const parts = { gpu, own: runtime('cpu', '/cache/own'), driver: h100 };
  expect(refusal('cuda', parts)).toBe(
    'Expected a GPU for --device cuda but found NVIDIA H100 (driver 550.54.15) with a TensorFlow of your own that was built without CUDA. Name one with CUDA in IMG2FEATURES_TENSORFLOW, or unset it.',
  );
  expect(chooseDevice('auto', found(parts))).toMatchObject({ device: 'cpu', runtime: parts.own });
});

test('one that cannot be used is an error, on whatever device needs a library', () => {
  const parts = found({ cpu, gpu, driver: h100, own: new RuntimeError('Expected its headers.') });
  for (const device of ['auto', 'cpu', 'cuda'] as const) {
    expect(() => chooseDevice(device, parts)).toThrow('Expected its headers.');
  }
  expect(chooseDevice('wasm', parts).device).toBe('wasm');
});

test('the oldest driver that CUDA 12 accepts is accepted', () => {
  expect(
    chooseDevice('cuda', found({ gpu, driver: { ...h100, version: '525.60.13' } })).device,
  ).toBe('cuda');
});

test('explicit cuda with hidden GPUs names the variable', () => {
  const hidden: GpuDriver = {
    ...h100,
    present: false,
    missing: 'visibility',
    detail: 'CUDA_VISIBLE_DEVICES="-1", which hides every GPU',
  };
  expect(refusal('cuda', { gpu, driver: hidden })).toBe(
    'Expected a GPU for --device cuda but found CUDA_VISIBLE_DEVICES="-1", which hides every GPU. Unset CUDA_VISIBLE_DEVICES, or use --device auto.',
  );
});

test('explicit cuda on Arm says that the library does not exist there', () => {
  const arm = { name: 'linux-arm64', key: 'linux-arm64', reason: undefined } as const;
  expect(refusal('cuda', { cpu, platform: arm, driver: h100 })).toMatch(
    /no CUDA library for linux-arm64\. Use --device auto/,
  );
});

test('explicit cpu takes the CPU library, else the CUDA one', () => {
  expect(chooseDevice('cpu', found({ cpu, gpu, driver: h100 })).runtime).toBe(cpu);
  expect(chooseDevice('cpu', found({ gpu, driver: h100 })).runtime).toBe(gpu);
});

test('explicit cpu with nothing set up is an error, not WebAssembly', () => {
  expect(refusal('cpu', {})).toBe(
    "Expected TensorFlow's library for --device cpu but found none set up. Run `img2features setup`, or use --device wasm.",
  );
});

test('explicit wasm needs nothing', () => {
  expect(chooseDevice('wasm', found({ cpu, gpu, driver: h100 }))).toEqual({
    device: 'wasm',
    reason: 'asked for with --device wasm',
    explicit: true,
  });
});
