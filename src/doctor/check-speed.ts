import type { EngineInfo } from '../engine/engine.ts';
import { describeModel } from '../model/describe-model.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import { recordRate } from '../pipeline/extractor/recorded-rates.ts';
import {
  addTuning,
  describeGains,
  gainsKey,
  type PrecisionGain,
} from '../pipeline/extractor/tuning.ts';
import { chooseDevice, type Device } from '../runtime/choose-device.ts';
import type { FoundRuntimes } from '../runtime/locate-runtime.ts';
import { formatDuration, formatRate } from '../terminal/units.ts';
import { type Check, makeCheck, problemOf } from './check.ts';
import type { Cpu } from './check-machine.ts';
import { canHave } from './check-tensorflow.ts';
import { withGoldenModel } from './golden/golden-files.ts';
import {
  countMultiplyAdds,
  type ExpectedRate,
  expectedRate,
  measureNetwork,
} from './network-rate.ts';
import { measureGains } from './precision-gains.ts';

export interface SpeedRequest {
  readonly found: FoundRuntimes;
  readonly device: 'auto' | Device;
  /** The user's model; without one the built-in network runs, which is too small for a useful rate. */
  readonly folder: ModelFolder | undefined;
  readonly cpu: Cpu;
  readonly signal: AbortSignal;
}

const FAR_BELOW = 0.4;

/** The engine that a run would really use, and how fast it is on this machine. */
export async function checkSpeed(request: SpeedRequest): Promise<Check> {
  try {
    if (request.folder !== undefined) return await measure(request, request.folder, false);
    return await withGoldenModel((folder) => measure(request, folder, true));
  } catch (error) {
    const problem = problemOf(
      error,
      'Run `img2features setup`, or use --device wasm.',
      request.signal,
    );
    const facts = { measured: false, requestedDevice: request.device };
    // The check of the GPU has said why there is no CUDA.
    if (request.device === 'cuda' && !canHave('cuda', request.found)) {
      return makeCheck('speed', { summary: 'not measured: there is no cuda here', facts });
    }
    const summary = `no engine for --device ${request.device}`;
    return makeCheck('speed', { summary, findings: [problem], facts });
  }
}

async function measure(
  { found, device, cpu, signal }: SpeedRequest,
  folder: ModelFolder,
  isBuiltIn: boolean,
): Promise<Check> {
  const spec = { layers: [{ layer: undefined, pool: 'none' }], precision: 'fp32' } as const;
  const choice = chooseDevice(device, found);
  const rate = await measureNetwork(spec, folder, choice, signal);
  const { info, imagesPerSecond, images, batch } = rate;
  if (!isBuiltIn) await remember(info, folder, imagesPerSecond);
  let gains: PrecisionGain[] | undefined;
  if (!isBuiltIn && info.device === 'cuda') {
    gains = await measureGains(folder, choice, ['tf32', 'fp16'], signal);
    await addTuning(gainsKey(info, folder), { gains });
  }
  const expected = isBuiltIn ? undefined : await expectedHere(info, folder, cpu);
  const name = isBuiltIn ? 'the built-in network' : (folder.metadata.architecture ?? folder.dir);
  return makeCheck('speed', {
    summary: `${formatRate(imagesPerSecond)} images/s: ${name} on ${info.device}, ${info.engine} engine`,
    details: [
      `${info.library}; ${info.deviceReason}`,
      ...(info.convReason ? [`${kernelsOf(info)} convolutions: ${info.convReason}`] : []),
      `ready in ${formatDuration(info.startupMs)}; ${images} images in batches of ${batch}, network alone`,
      ...expectation(info, expected, isBuiltIn),
      ...(gains === undefined ? [] : [describeGains(gains)]),
    ],
    findings: [
      isBuiltIn && {
        severity: 'note',
        message:
          'The built-in network is tiny: its speed does not predict that of a real one. Name a model by --model.',
      },
      // Far below what was measured elsewhere: other work, a limit or a wrong library, not noise.
      expected?.isFirm &&
        imagesPerSecond < expected.least * FAR_BELOW && {
          severity: 'warning',
          message: `${formatRate(imagesPerSecond)} images/s is far below what these cores can do.`,
          fix: 'Look for other work on the machine (top), a CPU limit of its container, or power saving; then run this again.',
        },
    ],
    facts: {
      measured: true,
      builtInModel: isBuiltIn,
      model: folder.metadata.architecture,
      weightsSha256: folder.metadata.weightsSha256,
      requestedDevice: device,
      device: info.device,
      deviceName: info.deviceName,
      deviceReason: info.deviceReason,
      engine: info.engine,
      engineReason: info.engineReason,
      conv: info.conv,
      convReason: info.convReason,
      library: info.library,
      startupMs: Math.round(info.startupMs),
      batch,
      images,
      imagesPerSecond: Math.round(imagesPerSecond * 1000) / 1000,
      expectedLeast: expected && Math.round(expected.least * 100) / 100,
      precisions: gains?.map((gain) => ({ ...gain })) ?? null,
      expectedMost: expected && Math.round(expected.most * 100) / 100,
    },
  });
}

async function expectedHere(
  { device, conv }: EngineInfo,
  folder: ModelFolder,
  { cores, quota = cores, instructions }: Cpu,
): Promise<ExpectedRate | undefined> {
  return expectedRate({
    device,
    cores: Math.min(cores, quota),
    instructions,
    architecture: folder.metadata.architecture,
    conv,
    multiplyAdds: countMultiplyAdds(await describeModel(folder)),
  });
}

/** For the next --dry-run. */
function remember(
  { device }: EngineInfo,
  { metadata }: ModelFolder,
  imagesPerSecond: number,
): Promise<void> {
  const { weightsSha256 } = metadata;
  return recordRate(
    { weightsSha256, device, precision: 'fp32', layers: undefined },
    { imagesPerSecond, by: 'doctor', at: new Date().toISOString() },
  );
}

function kernelsOf({ conv }: Pick<EngineInfo, 'conv'>): string {
  return { fused: 'our fused', winograd: "Winograd's", direct: "TensorFlow's" }[conv];
}

function expectation(
  { device, conv }: EngineInfo,
  expected: ExpectedRate | undefined,
  isBuiltIn: boolean,
): string[] {
  if (isBuiltIn) return [];
  if (expected === undefined)
    return [`expected: not known; no figure of ours covers ${device} here`];
  const range = `${formatRate(expected.least)} to ${formatRate(expected.most)}`;
  return [
    expected.isFirm
      ? `expected: ${range} images/s on these cores (AVX2; with AVX512 more), ${kernelsOf({ conv })} convolutions`
      : `expected: at most ${formatRate(expected.most)} images/s by its multiply-adds; many small layers get less`,
  ];
}
