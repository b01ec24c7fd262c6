import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isImg2FeaturesError, RuntimeError } from '../errors.ts';
import { readJsonFile } from '../json.ts';
import { chooseDevice, type Device } from '../runtime/choose-device.ts';
import { GPU_LIBRARIES } from '../runtime/gpu-libraries.ts';
import { findAddonMaker } from '../runtime/install/compile-addon.ts';
import { findPip } from '../runtime/install/pip.ts';
import type { FoundRuntimes } from '../runtime/locate-runtime.ts';
import { OWN_VARIABLE } from '../runtime/own-runtime.ts';
import { type ProbeResult, probeRuntime } from '../runtime/probe-runtime.ts';
import { RECORD_NAME, type RuntimeRecord, runtimeDir } from '../runtime/runtime-record.ts';
import { formatDuration } from '../terminal/units.ts';
import { type Check, type Finding, makeCheck, problemOf } from './check.ts';

export interface TensorFlowState {
  /** Of `setup`; undefined for a library of the user's own, and without one. */
  readonly record?: RuntimeRecord | undefined;
  /** Undefined where there is no library, or it does not work. */
  readonly probe?: ProbeResult | undefined;
}

/** TensorFlow's library: where it is, how it was built, and whether it loads and computes here. */
export async function checkTensorFlow(
  found: FoundRuntimes,
  signal: AbortSignal,
): Promise<{ check: Check; state: TensorFlowState }> {
  if (found.own instanceof RuntimeError) {
    const { message, fix = 'Run `img2features setup`.' } = found.own;
    const check = makeCheck('tensorflow', {
      summary: `what ${OWN_VARIABLE} names cannot be used`,
      findings: [{ severity: 'problem', message, fix }],
      facts: { found: false, works: false, platform: found.platform.name },
    });
    return { check, state: {} };
  }
  const runtime = found.own ?? found.installedGpuPackage ?? found.gpu ?? found.cpu;
  if (runtime === undefined) return { check: await withoutLibrary(found), state: {} };
  const record = await readRecord(runtime.dir);
  const facts = {
    found: true,
    kind: runtime.kind,
    dir: runtime.dir,
    version: runtime.tensorflow,
    source:
      runtime === found.own
        ? OWN_VARIABLE
        : runtime.packageDir === undefined
          ? 'img2features setup'
          : '@tensorflow/tfjs-node-gpu',
    wheels: record?.wheels.map((wheel) => `${wheel.package} ${wheel.version}`),
    compiler: record?.compiler,
  };
  const base = record?.wheels[0];
  const built =
    base === undefined
      ? `the library of ${facts.source}`
      : `built from ${base.package} ${base.version} (pip), addon by ${record!.compiler}`;
  try {
    const probe = await probeRuntime(runtime, {
      signal,
      // What chooseDevice refuses could end the library's process.
      hideGpu: found.driver.present && !canHave('cuda', found),
      libraries: runtime === found.gpu ? GPU_LIBRARIES : [],
    });
    const { oneDnn, cpuInstructions, loadMs } = probe;
    const uses = cpuInstructions ? `; kernels also use ${cpuInstructions}` : '';
    const dnn = oneDnn === undefined ? 'not mentioned by it' : oneDnn ? 'on' : 'off';
    const check = makeCheck('tensorflow', {
      summary: `${probe.tensorflow} (${runtime.kind} library), tfjs-node ${probe.tfjsNode}`,
      details: [
        built,
        `in ${runtime.dir}`,
        `oneDNN ${dnn}${uses}; loads in ${formatDuration(loadMs)}`,
      ],
      findings: findingsOf(probe),
      facts: {
        ...facts,
        works: true,
        tfjsNode: probe.tfjsNode,
        oneDnn,
        cpuInstructions: cpuInstructions?.split(' '),
        device: probe.device,
        gpuCause: probe.gpuCause?.found,
        unopened: [...probe.unopened],
        loadMs: Math.round(loadMs),
      },
    });
    return { check, state: { record, probe } };
  } catch (error) {
    const check = makeCheck('tensorflow', {
      summary: `${runtime.tensorflow} (${runtime.kind} library) does not work here`,
      details: [built],
      findings: [problemOf(error, 'Run `img2features setup --force`.', signal)],
      facts: { ...facts, works: false },
    });
    return { check, state: { record } };
  }
}

function findingsOf({ oneDnn, unopened }: ProbeResult): (Finding | false)[] {
  return [
    oneDnn === false && {
      severity: 'warning',
      message: 'oneDNN is switched off: the CPU computes at a half to two thirds of its speed.',
      fix: 'Unset TF_ENABLE_ONEDNN_OPTS.',
    },
    unopened.length > 0 && {
      severity: 'warning',
      message: `CUDA's libraries do not all open: ${unopened.join('; ')}.`,
      fix: 'Run `img2features setup --gpu --force`.',
    },
  ];
}

/** Nothing to load: why, and whether `setup` could change that. */
async function withoutLibrary({ platform }: FoundRuntimes): Promise<Check> {
  const facts = { found: false, works: false, platform: platform.name };
  if (platform.key === undefined) {
    return makeCheck('tensorflow', {
      summary: 'none for this machine: networks run on WebAssembly',
      findings: [{ severity: 'note', message: `${platform.reason}.` }],
      facts: { ...facts, reason: platform.reason },
    });
  }
  const { key } = platform;
  const tools = await Promise.all([
    toolState('pip', findPip),
    toolState('compiler', () => findAddonMaker(key)),
  ]);
  const damaged = [runtimeDir('cpu', platform.key), runtimeDir('gpu', platform.key)].filter((dir) =>
    existsSync(join(dir, RECORD_NAME)),
  );
  const lacking = tools.filter((tool) => tool.error !== undefined);
  const steps = lacking.map((tool) => tool.error.fix ?? '');
  const again = damaged.length > 0 ? ' --force' : '';
  return makeCheck('tensorflow', {
    summary:
      damaged.length > 0 ? 'an incomplete install' : 'not set up: networks run on WebAssembly',
    details: tools.flatMap((tool) =>
      tool.version === undefined ? [] : [`${tool.name}: ${tool.version}`],
    ),
    findings: [
      {
        severity: 'warning',
        message:
          damaged.length > 0
            ? `${damaged[0]} has lost files, or was made by another release of this program.`
            : 'Networks run on WebAssembly, several times slower than on TensorFlow.',
        fix: [
          ...steps,
          `Run \`img2features setup${again}\`${steps.length > 0 ? ' then' : ''}.`,
        ].join(' '),
      },
      ...lacking.map(({ error }) => ({
        severity: 'note' as const,
        message: `Setting up needs more: ${error.message}`,
      })),
    ],
    facts: {
      ...facts,
      incomplete: damaged.length > 0,
      pip: tools[0].version,
      compiler: tools[1].version,
    },
  });
}

async function toolState(name: string, find: () => Promise<{ readonly version: string }>) {
  try {
    return { name, version: (await find()).version, error: undefined };
  } catch (error) {
    if (!isImg2FeaturesError(error)) throw error;
    return { name, version: undefined, error };
  }
}

async function readRecord(dir: string): Promise<RuntimeRecord | undefined> {
  try {
    return readJsonFile(join(dir, RECORD_NAME)) as RuntimeRecord;
  } catch {
    return undefined; // a package of the user's own has none
  }
}

/** Whether a run may ask for the device; the checks of the library and of the GPU say why not. */
export function canHave(device: 'auto' | Device, found: FoundRuntimes): boolean {
  try {
    chooseDevice(device, found);
    return true;
  } catch {
    return false;
  }
}
