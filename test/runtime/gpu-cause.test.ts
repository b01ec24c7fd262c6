import { expect, test } from 'vitest';
import { gpuCause } from '../../src/runtime/gpu-cause.ts';

const log = (text: string) => `I0000 00:00:1795878350.6 14953 dso_loader.cc:144] ${text}\n`;
const UNOPENED = 'cannot open shared object file: No such file or directory';
const unopened = (name: string) =>
  log(
    `Could not load dynamic library '${name}'; dlerror: ${name}: ${UNOPENED}; LD_LIBRARY_PATH: /x`,
  );

test('libraries that TensorFlow could not open are named, with the reason', () => {
  const summary = 'W0000 gpu_device.cc:2365] Cannot dlopen some GPU libraries. Please make sure…\n';
  const opened = log('Successfully opened dynamic library libcudart.so.12');
  const text = opened + unopened('libcusolver.so.11') + unopened('libcudnn.so.9') + summary;
  expect(gpuCause(text)).toEqual({
    found: `libcusolver.so.11 and libcudnn.so.9 could not be opened (${UNOPENED})`,
    fix: expect.stringMatching(/^Run `img2features setup --gpu --force`/),
  });
});

test.each(['libcuda.so.1', 'libnvidia-ml.so.1'])("%s is the driver's", (name) => {
  expect(gpuCause(unopened(name))?.fix).toMatch(/NVIDIA_DRIVER_CAPABILITIES=compute,utility/);
});

test('what CUDA says when it does not start is the cause, and no update of the driver the fix', () => {
  const text =
    'E0000 00:00:1795391349.9 23902 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)\n';
  expect(gpuCause(text)).toEqual({
    found: 'CUDA did not start: Failed call to cuInit: UNKNOWN ERROR (303)',
    fix: expect.stringMatching(/^Run `nvidia-smi`/),
  });
});

test('a GPU that it has no code for is the cause', () => {
  const text =
    'W0000 00:00:1 2 gpu_device.cc:2459] TensorFlow was not built with CUDA kernel binaries compatible with compute capability 12.0a. CUDA kernels will be jit-compiled\n';
  expect(gpuCause(text)?.found).toBe('it has no code for compute capability 12.0a');
  expect(gpuCause('oneDNN custom operations are on.')).toBeUndefined();
});
