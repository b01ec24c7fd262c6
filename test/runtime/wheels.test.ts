import { expect, test } from 'vitest';
import {
  runtimeRecipe,
  wheelFileName,
  wheelMemberTarget,
} from '../../src/runtime/install/wheels.ts';

const recipes = (['linux-x64', 'linux-arm64', 'darwin-arm64'] as const).flatMap((platform) =>
  (['cpu', 'gpu'] as const).map((kind) => runtimeRecipe(kind, platform)),
);

test('every wheel is pinned by a version, a full SHA-256 and a size, each once', () => {
  const wheels = recipes.flatMap((recipe) => recipe?.wheels ?? []);
  expect(wheels).toHaveLength(13);
  for (const wheel of wheels) {
    expect(wheel.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(wheel.version).toMatch(/^\d+(\.\d+)+$/);
    expect(wheel.bytes).toBeGreaterThan(1e6);
  }
  expect(new Set(wheels.map((wheel) => wheel.sha256)).size).toBe(13);
});

test('the CPU library exists on three platforms, the CUDA one on Linux x86-64', () => {
  expect(recipes.map((recipe) => recipe?.wheels.length)).toEqual([
    1,
    10,
    1,
    undefined,
    1,
    undefined,
  ]);
});

test('what one process with one GPU never opens is not downloaded', () => {
  const names = runtimeRecipe('gpu', 'linux-x64')!.wheels.map((wheel) => wheel.package);
  for (const name of ['curand', 'nccl', 'nvshmem', 'cuda-cupti']) {
    expect(names).not.toContain(`nvidia-${name}-cu12`);
  }
});

test('a wheel is named as the index names it', () => {
  expect(runtimeRecipe('gpu', 'linux-x64')!.wheels.map(wheelFileName).slice(0, 2)).toEqual([
    'tensorflow-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl',
    'nvidia_cublas_cu12-12.9.1.4-py3-none-manylinux_2_27_x86_64.whl',
  ]);
});

test.each([
  'tensorflow/libtensorflow_cc.so.2',
  'tensorflow/libtensorflow_framework.2.dylib',
  'tensorflow/include/tensorflow/c/eager/c_api.h',
  'tensorflow/include/xla/tsl/c/tsl_status.h',
  'nvidia/cudnn/lib/libcudnn_ops.so.9',
  'nvidia/cuda_nvrtc/lib/libnvrtc-builtins.so.12.9',
  'nvidia/cuda_nvcc/bin/ptxas',
  'nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc',
])('%s is wanted, where it lies in the wheel', (member) => {
  expect(wheelMemberTarget(member, 'p')).toBe(member);
});

test.each([
  'tensorflow/python/_pywrap_tfe.so',
  'tensorflow/include/tensorflow/c/experimental/next_pluggable_device/c_api.h',
  'nvidia/cuda_nvrtc/lib/libnvrtc.alt.so.12',
  'nvidia/cuda_runtime/lib/libcudart_static.a',
  'nvidia/cudnn/include/cudnn.h',
  'tensorflow-2.21.0.dist-info/RECORD',
  '../tensorflow/libtensorflow_cc.so.2',
])('%s is left out', (member) => {
  expect(wheelMemberTarget(member, 'p')).toBeUndefined();
});

test('license texts are kept by package', () => {
  const nvidia = 'nvidia_cublas_cu12-12.9.1.4.dist-info/licenses/License.txt';
  expect(wheelMemberTarget(nvidia, 'nvidia-cublas-cu12')).toBe(
    'THIRD/nvidia-cublas-cu12/License.txt',
  );
  expect(wheelMemberTarget('tensorflow/THIRD_PARTY_NOTICES.txt', 'tensorflow')).toBe(
    'THIRD/tensorflow/THIRD_PARTY_NOTICES.txt',
  );
});
