/** The real CUDA library under a stand-in of NVIDIA's driver: as far as a machine without a GPU goes. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type * as CheckTensorFlow from '../../src/doctor/check-tensorflow.ts';
import { EngineError } from '../../src/errors.ts';
import type * as Libraries from '../../src/runtime/gpu-libraries.ts';
import { linkLibraries } from '../../src/runtime/gpu-libraries.ts';
import type * as Probe from '../../src/runtime/probe-runtime.ts';
import type { TensorFlowRuntime } from '../../src/runtime/tensorflow-runtime.ts';
import { rejection } from '../engine/caught.ts';
import { open } from '../engine/open-engines.ts';
import { writeTinyModel } from '../engine/tiny-model.ts';
import { buildDriver, gpuRuntime, runtimeWithout } from '../gpu-driver.ts';
import { skipIf } from '../skip-if.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const SHUT = 'Cannot dlopen some GPU libraries';
const OPEN = 'Adding visible gpu devices: 0';
const UNOPENED = 'cannot open shared object file: No such file or directory';

const machine = (gpu: TensorFlowRuntime, capability = '9.0') => ({
  platform: { name: 'linux-x64', key: 'linux-x64', reason: undefined } as const,
  driver: {
    present: true,
    version: '580.0',
    devices: ['Stand-in GPU'],
    capabilities: [capability],
    detail: 'Stand-in GPU (driver 580.0)',
  },
  gpu,
});

const WHY = 'the CUDA library is not set up (npm run test:gpu)';

describe(
  'gpu: the CUDA library under a stand-in driver',
  skipIf(gpuRuntime === undefined, WHY),
  () => {
    let driver: string;
    afterAll(() => rmSync(driver, { recursive: true }));
    beforeAll(async () => {
      driver = await buildDriver(mkdtempSync(join(tmpdir(), 'img2features-driver-')));
      vi.stubEnv('LD_LIBRARY_PATH', driver);
    });
    afterEach(() => {
      vi.unstubAllEnvs();
      vi.stubEnv('LD_LIBRARY_PATH', driver);
    });

    /** Opens an engine on CUDA, whose process ends where the stand-in ends. @returns all it said */
    async function logOf(gpu: TensorFlowRuntime) {
      vi.stubEnv('TF_CPP_MAX_VLOG_LEVEL', '1');
      vi.stubEnv('TF_CPP_MIN_LOG_LEVEL', '0');
      const lines: string[] = [];
      const onLog = (line: string) => void lines.push(line);
      const options = { device: 'cuda', found: machine(gpu), onLog } as const;
      const error = await rejection(EngineError, open(await writeTinyModel(), options));
      return { log: lines.join('\n'), error };
    }

    test('TensorFlow opens its libraries and takes the GPU, also in an install of an earlier version', async () => {
      const { log } = await logOf(await runtimeWithout(await temporaryFolder(), []));
      expect(log).not.toContain(SHUT);
      expect(log).toContain(OPEN);
    });

    test('an install is mended in its own folder, for processes without our environment', async () => {
      const runtime = await runtimeWithout(await temporaryFolder(), []);
      expect(await rawLog(runtime)).toContain(SHUT);
      expect(await linkLibraries(runtime.dir)).toBe(true);
      expect(await linkLibraries(runtime.dir)).toBe(false);
      const log = await rawLog(runtime);
      expect(log).not.toContain(SHUT);
      expect(log).toContain(OPEN);
    });

    test('the install in the cache opens by itself, and each of its libraries', async () => {
      await linkLibraries(gpuRuntime!.dir);
      expect(await rawLog(gpuRuntime!)).toContain(OPEN);
      const { probeRuntime, GPU_LIBRARIES } = await built();
      const probe = await probeRuntime(gpuRuntime!, { hideGpu: true, libraries: GPU_LIBRARIES });
      expect(probe.unopened).toEqual([]);
    });

    test('a library that is missing is named, with the reason', async () => {
      const lacking = await runtimeWithout(await temporaryFolder(), ['cufft']);
      const { error } = await logOf(lacking);
      expect(error.message).toContain(`, and libcufft.so.11 could not be opened (${UNOPENED});`);
      expect(error.fix).toMatch(/^Run `img2features setup --gpu --force`/);
      const { probeRuntime, GPU_LIBRARIES } = await built();
      const probe = await probeRuntime(lacking, { hideGpu: true, libraries: GPU_LIBRARIES });
      expect(probe.unopened).toEqual([`libcufft.so.11: ${UNOPENED}`]);
    });

    test('cuda without NVML is an error that names it, auto takes the CPU and names it', async () => {
      vi.stubEnv('LD_LIBRARY_PATH', await buildDriver(await temporaryFolder(), ['cuda']));
      const folder = await writeTinyModel();
      const found = machine(gpuRuntime!);
      const said = `uses no GPU (%): libnvidia-ml.so.1 could not be opened (${UNOPENED}).`;
      const error = await rejection(EngineError, open(folder, { device: 'cuda', found }));
      const asked = 'asked for with --device cuda: Stand-in GPU (driver 580.0)';
      expect(error.message).toBe(
        `Expected a GPU for --device cuda but found that TensorFlow 2.21.0 ${said.replace('%', asked)}`,
      );
      expect(error.fix).toMatch(/NVIDIA_DRIVER_CAPABILITIES=compute,utility/);
      const { info } = await open(folder, { device: 'auto', found });
      expect(info.device).toBe('cpu');
      expect(info.deviceReason).toContain(said.replace('%', 'Stand-in GPU (driver 580.0)'));
    });

    test('what CUDA says when it does not start is told', async () => {
      vi.stubEnv('STAND_IN_INIT', '100');
      const found = machine(gpuRuntime!);
      const folder = await writeTinyModel();
      const error = await rejection(EngineError, open(folder, { device: 'cuda', found }));
      expect(error.message).toMatch(
        /CUDA did not start: Failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device/,
      );
      expect(error.fix).toMatch(/^Run `nvidia-smi`/);
    });

    test('a GPU that it has no code for is refused before it loads, and doctor loads it without', async () => {
      vi.stubEnv('STAND_IN_CAPABILITY', '12.0');
      const lines: string[] = [];
      const onLog = (line: string) => void lines.push(line);
      const found = machine(gpuRuntime!, '12.0');
      const folder = await writeTinyModel();
      const refused = await rejection(EngineError, open(folder, { device: 'cuda', found, onLog }));
      expect(refused.message).toMatch(
        /found Stand-in GPU with compute capability 12\.0, for which/,
      );
      const { info } = await open(folder, { device: 'auto', found, onLog });
      expect([info.device, lines]).toEqual(['cpu', []]);
      const { checkTensorFlow } = await built();
      const { state } = await checkTensorFlow(found, new AbortController().signal);
      expect(state.probe?.device).toBe('cpu');
    });
  },
);

/** What TensorFlow says when the addon is loaded in a process that has only the driver's folder. */
async function rawLog(runtime: TensorFlowRuntime): Promise<string> {
  const script = `const { loadTfjsNode } = await import(process.argv[1]); await loadTfjsNode(JSON.parse(process.argv[2]));`;
  const load = new URL('../../dist/runtime/tensorflow-js.js', import.meta.url).href;
  const args = ['--input-type=module', '-e', script, load, JSON.stringify(runtime)];
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '0', TF_CPP_VMODULE: 'gpu_device=1' };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env }, (_, stdout, stderr) => resolve(stdout + stderr));
  });
}

type Built = typeof Probe & typeof Libraries & typeof CheckTensorFlow;

/** The built ones: their child process starts from JavaScript. */
async function built(): Promise<Built> {
  const names = ['runtime/probe-runtime', 'runtime/gpu-libraries', 'doctor/check-tensorflow'];
  const urls = names.map((name) => new URL(`../../dist/${name}.js`, import.meta.url).href);
  return Object.assign({}, ...(await Promise.all(urls.map((url) => import(url)))));
}
