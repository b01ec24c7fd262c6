import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { makeCheck, worstOf } from '../../src/doctor/check.ts';
import { checkImages, relativeError } from '../../src/doctor/check-golden.ts';
import { checkGpu, queryGpus } from '../../src/doctor/check-gpu.ts';
import {
  checkCpu,
  checkMemory,
  checkNode,
  linuxInstructions,
  readCpu,
} from '../../src/doctor/check-machine.ts';
import { checkModel } from '../../src/doctor/check-model.ts';
import { checkDisk } from '../../src/doctor/check-storage.ts';
import { checkTensorFlow } from '../../src/doctor/check-tensorflow.ts';
import { countMultiplyAdds, expectedRate } from '../../src/doctor/network-rate.ts';
import { buildArchitecture } from '../../src/model/architectures/build-architecture.ts';
import { describeModel } from '../../src/model/describe-model.ts';
import { initModel } from '../../src/model/init-model.ts';
import type { FoundRuntimes } from '../../src/runtime/locate-runtime.ts';

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'img2features-doctor-test-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const now = new Date('2026-11-23');
const linux = { platform: 'linux', arch: 'x64', now };

test('the worst finding decides a check, the worst check the report', () => {
  const fix = 'do it';
  const check = makeCheck('node', {
    summary: 's',
    findings: [
      { severity: 'note', message: 'n' },
      { severity: 'warning', message: 'w', fix },
    ],
  });
  expect(check.status).toBe('warning');
  expect(worstOf(['ok', 'problem', 'note'])).toBe('problem');
  expect(worstOf([])).toBe('ok');
});

test('Node: too old is a problem, unmaintained a note, the next long-term line is well', () => {
  expect(checkNode({ version: '18.20.0', ...linux }).status).toBe('problem');
  expect(checkNode({ version: '20.18.0', ...linux }).findings[0]!.fix).toMatch(/Node 22 or 24/);
  const ended = checkNode({ version: '20.19.0', ...linux });
  expect(ended.status).toBe('note');
  expect(ended.facts).toMatchObject({
    supported: true,
    maintained: false,
    endOfLife: '2026-04-30',
  });
  expect(checkNode({ version: '24.1.0', ...linux }).status).toBe('ok');
});

test('CPU instructions come from the flags of Linux on x86 and ARM', () => {
  expect(linuxInstructions('processor: 0\nflags\t\t: fpu avx avx2 fma avx512f amx_tile\n')).toEqual(
    ['AVX', 'AVX2', 'FMA', 'AVX512F', 'AMX_TILE'],
  );
  expect(linuxInstructions('Features\t: fp asimd bf16\n')).toEqual(['NEON', 'BF16']);
  expect(linuxInstructions('processor: 0\n')).toBeUndefined();
});

test("a container's share of the cores is read, in both versions of control groups", async () => {
  const root = folder();
  mkdirSync(join(root, 'sys/fs/cgroup/cpu'), { recursive: true });
  writeFileSync(join(root, 'sys/fs/cgroup/cpu.max'), '150000 100000\n');
  expect((await readCpu(root)).quota).toBe(1.5);
  writeFileSync(join(root, 'sys/fs/cgroup/cpu.max'), 'max 100000\n');
  expect((await readCpu(root)).quota).toBeUndefined();
  rmSync(join(root, 'sys/fs/cgroup/cpu.max'));
  writeFileSync(join(root, 'sys/fs/cgroup/cpu/cpu.cfs_quota_us'), '50000\n');
  writeFileSync(join(root, 'sys/fs/cgroup/cpu/cpu.cfs_period_us'), '100000\n');
  expect((await readCpu(root)).quota).toBe(0.5);
});

test('CPU: fewer cores than seen, a busy machine and a lack of AVX2 are told', () => {
  const cpu = { model: 'X', cores: 8, quota: 2, instructions: ['AVX', 'AVX2'] };
  const shared = checkCpu(cpu, 0.5);
  expect(shared.status).toBe('note');
  expect(shared.findings[0]!.fix).toMatch('--workers 2');
  expect(checkCpu({ ...cpu, quota: undefined }, 0.5).status).toBe('ok');
  expect(checkCpu({ ...cpu, quota: undefined }, 7).findings[0]!.message).toMatch(/load 7.0 on 8/);
  if (process.arch === 'x64') {
    expect(checkCpu({ ...cpu, quota: undefined, instructions: ['AVX'] }, 0).status).toBe('warning');
  }
});

test('CPU: what is used for PCA and JPEG is told, with the reason', () => {
  const cpu = { model: 'X', cores: 8, quota: undefined, instructions: ['AVX2'] };
  const fast = checkCpu(cpu, 0, { kernels: null, jpeg: null, memory: null });
  expect(fast.details.slice(1)).toEqual([
    'PCA by AVX2 kernels',
    'JPEG by libjpeg-turbo for this processor',
    'pixels to the network in shared memory',
  ]);
  const lacking = { kernels: 'this CPU lacks AVX2', jpeg: 'no setup', memory: 'no setup' };
  const slow = checkCpu(cpu, 0, lacking);
  expect(slow.details.slice(1)).toEqual([
    "PCA by WebAssembly's kernels, at half the speed and to the same bits: this CPU lacks AVX2",
    'JPEG by libjpeg-turbo in WebAssembly, at a third of the speed and to the same bits: no setup',
    'pixels to the network by a file, at a third of the speed: no setup',
  ]);
  expect([fast.facts.kernels, slow.facts.kernels]).toEqual(['avx2', 'wasm']);
  expect([fast.facts.jpeg, slow.facts.jpeg]).toEqual(['native', 'wasm']);
});

test('memory below what VGG16 takes is a warning with a way out', () => {
  const little = checkMemory({ totalBytes: 2e9, availableBytes: 1e9, limitBytes: 1.2e9 });
  expect(little.status).toBe('warning');
  expect(little.summary).toBe('1.0 GB free of 2.0 GB, 1.2 GB allowed by the container');
  expect(checkMemory({ totalBytes: 8e9, availableBytes: 4e9, limitBytes: undefined }).status).toBe(
    'ok',
  );
});

const NO_GPU: FoundRuntimes = {
  platform: { name: 'linux-x64', key: 'linux-x64', reason: undefined },
  driver: {
    present: false,
    missing: 'driver',
    version: undefined,
    devices: [],
    detail: 'no NVIDIA driver',
  },
};
const GPU: FoundRuntimes = {
  ...NO_GPU,
  cpu: { kind: 'cpu', dir: '/c', bindingPath: '/c/x', tensorflow: '2.21.0' },
  driver: {
    present: true,
    version: '550.54.15',
    devices: ['NVIDIA L4'],
    detail: 'NVIDIA L4 (driver 550.54.15)',
  },
};
const NONE = {};
const NO_SMI = async () => ({ gpus: [], driver: undefined, driverCuda: undefined });

test('no GPU is a note, but a problem for --device cuda', async () => {
  expect((await checkGpu(NO_GPU, NONE, 'auto', NO_SMI)).status).toBe('note');
  const asked = await checkGpu(NO_GPU, NONE, 'cuda', NO_SMI);
  expect(asked.status).toBe('problem');
  expect(asked.findings[0]!.message).toBe(
    'Expected a GPU for --device cuda but found no NVIDIA driver.',
  );
});

test('a GPU that is idle for lack of the CUDA library is a warning that says setup --gpu', async () => {
  const check = await checkGpu(GPU, NONE, 'auto', async () => ({
    gpus: [{ name: 'NVIDIA L4', memoryBytes: 24e9, freeBytes: 23e9, computeCapability: '8.9' }],
    driver: '550.54.15',
    driverCuda: '12.4',
  }));
  expect(check.status).toBe('warning');
  expect(check.summary).toBe('NVIDIA L4, 24.0 GB, compute capability 8.9, driver 550.54.15');
  expect(check.findings[0]!.message).toMatch(
    /^The GPU is idle: found NVIDIA L4 .* only the CPU library/,
  );
  expect(check.findings[0]!.fix).toBe('Run `img2features setup --gpu`.');
  expect(check.facts).toMatchObject({ present: true, used: false, driverCuda: '12.4' });
});

test('a GPU in use is well, with the versions of CUDA and cuDNN', async () => {
  const gpu = { kind: 'gpu', dir: '/g', bindingPath: '/g/x', tensorflow: '2.21.0' } as const;
  const check = await checkGpu(
    { ...GPU, gpu },
    {
      record: {
        format: 1,
        kind: 'gpu',
        platform: 'linux-x64',
        tensorflow: '2.21.0',
        tfjsNode: '4.22.0',
        compiler: 'c',
        files: {},
        wheels: [
          { package: 'nvidia-cuda-runtime-cu12', version: '12.9.79', sha256: '' },
          { package: 'nvidia-cudnn-cu12', version: '9.10.2.21', sha256: '' },
        ],
      },
      probe: {
        tensorflow: '2.21.0',
        tfjsNode: '4.22.0',
        device: 'cuda',
        oneDnn: true,
        gpuCause: undefined,
        unopened: [],
        cpuInstructions: undefined,
        loadMs: 1,
        convMs: 1,
      },
    },
    'auto',
    NO_SMI,
  );
  expect(check.status).toBe('ok');
  expect(check.facts).toMatchObject({ used: true, cuda: '12.9.79', cudnn: '9.10.2.21' });
  expect(check.details).toContain('installed: CUDA 12.9.79, cuDNN 9.10.2.21');
});

test("nvidia-smi's table and banner are read; without it there is nothing", async () => {
  const done = { stderr: '', missing: false, signal: undefined };
  const query = await queryGpus(async (args) => ({
    ...done,
    status: 0,
    stdout:
      args.length > 0
        ? 'NVIDIA H100 PCIe, 81559, 81000, 9.0, 550.54.15\nGrace, [N/A], [N/A], 9.0, 550.54.15\n'
        : '| NVIDIA-SMI 550.54.15   Driver Version: 550.54.15   CUDA Version: 12.4 |\n',
  }));
  expect(query.gpus).toEqual([
    {
      name: 'NVIDIA H100 PCIe',
      memoryBytes: 81559 * 2 ** 20,
      freeBytes: 81000 * 2 ** 20,
      computeCapability: '9.0',
    },
    { name: 'Grace', memoryBytes: undefined, freeBytes: undefined, computeCapability: '9.0' },
  ]);
  expect([query.driver, query.driverCuda]).toEqual(['550.54.15', '12.4']);
  const none = await queryGpus(async () => ({
    ...done,
    status: undefined,
    stdout: '',
    missing: true,
  }));
  expect(none.gpus).toEqual([]);
});

test("the decoders give Pillow's pixels for the built-in pictures", async () => {
  const check = await checkImages();
  expect(check.facts).toMatchObject({ works: true, pixelsEqualPillow: true, closedToOthers: true });
  expect(check.status).toBe('ok');
});

test('a difference to Keras is a share of the largest value; NaN and a short answer are infinite', () => {
  expect(relativeError(Float32Array.of(1, 2), Float32Array.of(1, 4))).toBe(0.5);
  expect(relativeError(Float32Array.of(1, Number.NaN), Float32Array.of(1, 4))).toBe(Infinity);
  expect(relativeError(Float32Array.of(1), Float32Array.of(1, 4))).toBe(Infinity);
});

test('a model that is not there is a warning, or a problem when it was named', async () => {
  const signal = new AbortController().signal;
  const lost = join(folder(), 'none');
  const { check, folder: found } = await checkModel(
    { model: lost, preprocessing: undefined },
    signal,
  );
  expect([check.status, found]).toEqual(['problem', undefined]);
  expect(check.findings[0]!.fix).toMatch(/model fetch/);
});

test('a damaged model is found by its hash', async () => {
  const signal = new AbortController().signal;
  const dir = join(folder(), 'm');
  await initModel({
    architecture: 'mobilenetv2',
    seed: 1,
    width: 0.35,
    includeTop: false,
    dir,
    overwrite: false,
  });
  const sound = await checkModel({ model: dir, preprocessing: undefined }, signal);
  expect(sound.check.facts).toMatchObject({ found: true, verified: true, trained: false });
  const { readFileSync } = await import('node:fs');
  const [shard] = sound.folder!.shardPaths;
  const bytes = readFileSync(shard!);
  bytes[100]! ^= 1;
  writeFileSync(shard!, bytes);
  const { check } = await checkModel({ model: dir, preprocessing: undefined }, signal);
  expect(check.status).toBe('problem');
  expect(check.findings[0]!.message).toMatch(/^Expected weights with SHA-256/);
});

test('disk: a folder to be made is tried at its parent, and nothing is left there', async () => {
  const dir = folder();
  vi.stubEnv('IMG2FEATURES_CACHE', join(dir, 'cache'));
  onTestFinished(() => void vi.unstubAllEnvs());
  const check = await checkDisk(join(dir, 'a', 'b'));
  expect(check.facts).toMatchObject({
    cache: { writable: true },
    out: { writable: true, refusal: null },
  });
  const { readdirSync } = await import('node:fs');
  expect(readdirSync(dir)).toEqual([]);
});

test('disk: below a broken link nothing can be written', async () => {
  const dir = folder();
  symlinkSync(join(dir, 'gone'), join(dir, 'link'));
  vi.stubEnv('IMG2FEATURES_CACHE', join(dir, 'link', 'cache'));
  onTestFinished(() => void vi.unstubAllEnvs());
  const check = await checkDisk(undefined);
  expect(check.facts).toMatchObject({ cache: { writable: false } });
  expect(check.findings[0]).toMatchObject({
    message: expect.stringContaining(`(a link to nothing at ${join(dir, 'link')})`),
    fix: expect.stringMatching(/^Make the folder that it links to, or set IMG2FEATURES_CACHE/),
  });
});

test('disk: a file in the place of the folder is a problem', async () => {
  const dir = folder();
  vi.stubEnv('IMG2FEATURES_CACHE', dir);
  onTestFinished(() => void vi.unstubAllEnvs());
  writeFileSync(join(dir, 'file'), 'x');
  const check = await checkDisk(join(dir, 'file', 'out'));
  expect(check.status).toBe('problem');
  expect(check.findings[0]!.message).toMatch(/cannot be written \(ENOTDIR/);
});

test('VGG16 has 15.5e9 multiply-adds; two cores with AVX2 make 4 to 6 images/s', async () => {
  const { topology, weights } = buildArchitecture('vgg16', {});
  const multiplyAdds = countMultiplyAdds(await describeModel({ topology, weights }));
  expect(multiplyAdds / 1e9).toBeCloseTo(15.5, 1);
  const machine = {
    device: 'cpu',
    cores: 2,
    instructions: ['AVX2'],
    architecture: 'vgg16',
    multiplyAdds,
    conv: 'direct',
  } as const;
  const expected = expectedRate(machine)!;
  expect(expected.isFirm).toBe(true);
  expect(expected.least).toBeCloseTo(4, 1);
  expect(expected.most).toBeCloseTo(6, 0);
  expect(expectedRate({ ...machine, conv: 'winograd' })!.least).toBeCloseTo(8, 0);
  expect(expectedRate({ ...machine, device: 'wasm' })).toBeUndefined();
  expect(expectedRate({ ...machine, instructions: ['AVX'] })).toBeUndefined();
  expect(expectedRate({ ...machine, architecture: 'mobilenetv2' })!.isFirm).toBe(false);
});

describe('TensorFlow, where none is set up', () => {
  const { signal } = new AbortController();
  function emptyCache(): string {
    const cache = folder();
    vi.stubEnv('IMG2FEATURES_CACHE', cache);
    onTestFinished(() => void vi.unstubAllEnvs());
    return cache;
  }

  test('it warns, and says that setup has what it needs or what it lacks', async () => {
    emptyCache();
    vi.stubEnv('PATH', folder());
    vi.stubEnv('CXX', '');
    const { check, state } = await checkTensorFlow(NO_GPU, signal);
    expect([check.status, state.probe]).toEqual(['warning', undefined]);
    expect(check.findings[0]!.fix).toMatch(
      /apt install python3-pip.*apt install g\+\+.*`img2features setup` then\.$/s,
    );
    expect(check.findings.slice(1).map(({ message }) => message)).toEqual([
      expect.stringContaining('found no python3'),
      expect.stringContaining('none of c++, g++, clang++'),
    ]);
    expect(check.facts).toMatchObject({
      found: false,
      incomplete: false,
      pip: null,
      compiler: null,
    });
  });

  test('an install that lost files is told from none', async () => {
    const dir = join(emptyCache(), 'runtime', 'tensorflow-2.21.0-cpu-linux-x64');
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'runtime.json'), '{}');
    const { check } = await checkTensorFlow(NO_GPU, signal);
    expect(check.summary).toBe('an incomplete install');
    expect(check.findings[0]!.message).toMatch(`${dir} has lost files`);
    expect(check.findings[0]!.fix).toContain('`img2features setup --force`');
  });

  test('a platform without a library is a note: there is nothing to set up', async () => {
    const platform = {
      name: 'linux-ia32',
      key: undefined,
      reason: 'TensorFlow 2.21 has no library for linux-ia32',
    };
    const { check } = await checkTensorFlow({ ...NO_GPU, platform }, signal);
    expect(check.status).toBe('note');
    expect(check.findings[0]!.message).toBe('TensorFlow 2.21 has no library for linux-ia32.');
  });
});
