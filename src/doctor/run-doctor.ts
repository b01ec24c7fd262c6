/** Every check in turn: from what all runs need to what this user requested. */

import type { Preprocessing } from '../options/preprocessing.ts';
import { packageVersion } from '../package-version.ts';
import { isInStore } from '../place.ts';
import type { Device } from '../runtime/choose-device.ts';
import { locateRuntime } from '../runtime/locate-runtime.ts';
import type { S3Options } from '../s3/s3-options.ts';
import { type Check, type CheckName, worstOf } from './check.ts';
import { checkGolden, checkImages } from './check-golden.ts';
import { checkGpu } from './check-gpu.ts';
import { checkCpu, checkMemory, checkNode, readCpu } from './check-machine.ts';
import { checkModel } from './check-model.ts';
import { checkSpeed } from './check-speed.ts';
import { checkDisk, checkS3 } from './check-storage.ts';
import { checkTensorFlow } from './check-tensorflow.ts';

export interface DoctorOptions {
  readonly model: string | undefined;
  readonly preprocessing: Preprocessing | undefined;
  readonly device: 'auto' | Device;
  /** Addresses to try to list. */
  readonly s3Urls: readonly string[];
  readonly s3: S3Options;
  /** A folder that a run is to write, or an s3:// address. */
  readonly out: string | undefined;
}

export interface DoctorHooks {
  readonly signal: AbortSignal;
  /** Called before a check is made, which may take seconds. */
  readonly onStart?: (name: CheckName) => void;
  readonly onCheck?: (check: Check) => void;
}

/** JSON-able: what `--json` prints. */
export interface DoctorReport {
  readonly format: 1;
  readonly version: string;
  readonly status: Check['status'];
  /** The checks made, by name. */
  readonly checks: Readonly<Record<string, Omit<Check, 'name' | 'details'>>>;
}

/** Looks at everything that a run needs; changes nothing but the cache of compiled graphs. */
export async function runDoctor(
  options: DoctorOptions,
  { signal, onStart = () => {}, onCheck = () => {} }: DoctorHooks,
): Promise<DoctorReport> {
  const checks: Check[] = [];
  const make = async (name: CheckName, check: () => Check | Promise<Check>): Promise<void> => {
    signal.throwIfAborted();
    onStart(name);
    const made = await check();
    checks.push(made);
    onCheck(made);
  };

  await make('node', () => checkNode());
  const cpu = await readCpu();
  await make('cpu', () => checkCpu(cpu));
  await make('memory', () => checkMemory());

  const found = await locateRuntime();
  let library: Awaited<ReturnType<typeof checkTensorFlow>> | undefined;
  await make('tensorflow', async () => {
    library = await checkTensorFlow(found, signal);
    return library.check;
  });
  await make('gpu', () => checkGpu(found, library!.state, options.device));
  await make('images', () => checkImages());
  await make('golden', () => checkGolden(found, options.device, signal));

  let model: Awaited<ReturnType<typeof checkModel>> | undefined;
  await make('model', async () => {
    model = await checkModel(options, signal);
    return model.check;
  });
  const { device } = options;
  await make('speed', () => checkSpeed({ found, device, folder: model!.folder, cpu, signal }));

  const outUrl = options.out !== undefined && isInStore(options.out, '--out') ? [options.out] : [];
  await make('disk', () => checkDisk(outUrl.length > 0 ? undefined : options.out));
  const urls = [...new Set([...options.s3Urls, ...outUrl])];
  if (urls.length > 0) await make('s3', () => checkS3(urls, options.s3, signal));

  return {
    format: 1,
    version: packageVersion(),
    status: worstOf(checks.map(({ status }) => status)),
    checks: Object.fromEntries(checks.map(({ name, details: _, ...rest }) => [name, rest])),
  };
}
