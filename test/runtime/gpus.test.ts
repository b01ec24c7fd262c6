import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { findGpuDriver } from '../../src/runtime/gpus.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { fakeBin } from './fake-tools.ts';

const VERSION_TEXT =
  'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n';

async function machine(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

const WHOLE = {
  'proc/driver/nvidia/version': VERSION_TEXT,
  'dev/nvidia0': '',
  'dev/nvidia1': '',
  'dev/nvidiactl': '',
  'usr/lib/x86_64-linux-gnu/libcuda.so.1': '',
  'usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1': '',
};

test('a machine without anything of NVIDIA has no driver', async () => {
  const root = await machine({ 'dev/null': '' });
  expect(await findGpuDriver({ root, env: {}, platform: 'linux' })).toEqual({
    present: false,
    missing: 'driver',
    version: undefined,
    devices: [],
    detail: 'no NVIDIA driver',
  });
});

test('driver, library and device nodes are enough without nvidia-smi', async () => {
  const root = await machine(WHOLE);
  expect(await findGpuDriver({ root, env: { PATH: '' }, platform: 'linux' })).toEqual({
    present: true,
    version: '550.54.15',
    devices: ['nvidia0', 'nvidia1'],
    capabilities: [],
    libraryDirs: [join(root, 'usr/lib/x86_64-linux-gnu')],
    detail: 'nvidia0, nvidia1 (driver 550.54.15)',
  });
});

test('nvidia-smi gives names and compute capabilities', async () => {
  const root = await machine(WHOLE);
  const bin = await fakeBin(root, { 'nvidia-smi': 'echo "NVIDIA H100 80GB HBM3, 550.54.15, 9.0"' });
  const driver = await findGpuDriver({ root, env: { PATH: bin }, platform: 'linux' });
  expect(driver.detail).toBe('NVIDIA H100 80GB HBM3 (driver 550.54.15)');
  expect(driver.capabilities).toEqual(['9.0']);
});

test('an old nvidia-smi that knows no compute capability still gives names', async () => {
  const root = await machine(WHOLE);
  const bin = await fakeBin(root, {
    'nvidia-smi': 'case "$1" in *compute_cap*) exit 2 ;; esac; echo "Tesla T4, 450.80.02"',
  });
  const driver = await findGpuDriver({ root, env: { PATH: bin }, platform: 'linux' });
  expect([driver.devices, driver.capabilities]).toEqual([['Tesla T4'], [undefined]]);
});

test('a folder that the dynamic loader does not search is found, and nvidia-smi gets it', async () => {
  const { 'usr/lib/x86_64-linux-gnu/libcuda.so.1': _, ...rest } = WHOLE;
  const root = await machine({ ...rest, 'usr/local/nvidia/lib64/libcuda.so.1': '' });
  const bin = await fakeBin(root, { 'nvidia-smi': 'echo "$LD_LIBRARY_PATH, 550.54.15, 9.0"' });
  const driver = await findGpuDriver({ root, env: { PATH: bin }, platform: 'linux' });
  const dirs = ['usr/local/nvidia/lib64', 'usr/lib/x86_64-linux-gnu'].map((dir) => join(root, dir));
  expect(driver).toMatchObject({ present: true, libraryDirs: dirs, devices: [dirs.join(':')] });
});

test('a container that may only compute lacks NVML, which TensorFlow needs as well', async () => {
  const { 'usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1': _, ...rest } = WHOLE;
  const root = await machine(rest);
  expect(await findGpuDriver({ root, env: {}, platform: 'linux' })).toMatchObject({
    present: false,
    missing: 'library',
    detail: "an NVIDIA GPU, but not the driver's libnvidia-ml.so.1",
  });
});

test('a driver without a device node is a GPU that the process may not use', async () => {
  const root = await machine({ 'proc/driver/nvidia/version': VERSION_TEXT });
  const driver = await findGpuDriver({ root, env: {}, platform: 'linux' });
  expect([driver.present, driver.missing, driver.version]).toEqual([false, 'gpu', '550.54.15']);
});

test("a container that lacks the driver's library is told apart", async () => {
  const root = await machine({ 'dev/nvidia0': '', 'proc/driver/nvidia/version': VERSION_TEXT });
  const driver = await findGpuDriver({ root, env: {}, platform: 'linux' });
  expect([driver.present, driver.missing]).toEqual([false, 'library']);
});

test.each(['', '-1', '-1,0'])('CUDA_VISIBLE_DEVICES="%s" hides the GPUs', async (value) => {
  const root = await machine(WHOLE);
  const env = { CUDA_VISIBLE_DEVICES: value };
  const driver = await findGpuDriver({ root, env, platform: 'linux' });
  expect([driver.present, driver.missing]).toEqual([false, 'visibility']);
});

test('CUDA_VISIBLE_DEVICES with a number or a name hides nothing', async () => {
  const root = await machine(WHOLE);
  for (const value of ['0', '1', 'GPU-8932f937']) {
    const env = { CUDA_VISIBLE_DEVICES: value };
    expect((await findGpuDriver({ root, env, platform: 'linux' })).present).toBe(true);
  }
});

test('macOS has no CUDA', async () => {
  const driver = await findGpuDriver({ platform: 'darwin', env: {} });
  expect([driver.missing, driver.detail]).toEqual(['platform', 'CUDA does not exist on darwin']);
});
