/**
 * `runtime.json`, written last into a finished runtime folder: what it was made of. A folder
 * without one, or one that no longer fits it, counts as not installed.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readJsonFile } from '../json.ts';
import { runtimesDir } from './cache-dir.ts';
import { findOperations, hasOperations } from './operations.ts';
import type { PlatformKey } from './runtime-platform.ts';
import { tfjsNodeVersion } from './tensorflow-js.ts';
import {
  type RuntimeKind,
  TENSORFLOW_VERSION,
  type TensorFlowRuntime,
} from './tensorflow-runtime.ts';

export const RECORD_NAME = 'runtime.json';
export const ADDON_NAME = 'tfjs_binding.node';

export interface RuntimeRecord {
  readonly format: 1;
  readonly kind: RuntimeKind;
  readonly platform: PlatformKey;
  readonly tensorflow: string;
  /** Version of tfjs-node whose addon sources were compiled. */
  readonly tfjsNode: string;
  readonly wheels: readonly {
    readonly package: string;
    readonly version: string;
    readonly sha256: string;
  }[];
  /** First line of the compiler's `--version`. */
  readonly compiler: string;
  /** Size in bytes of every file, by path inside the folder ("/" between parts). */
  readonly files: Readonly<Record<string, number>>;
}

/** e.g. `<cache>/runtime/tensorflow-2.21.0-cpu-linux-x64`. */
export function runtimeDir(kind: RuntimeKind, platform: PlatformKey): string {
  return join(runtimesDir(), `tensorflow-${TENSORFLOW_VERSION}-${kind}-${platform}`);
}

/** The finished runtime in `dir`, or undefined when it is missing, half made or damaged. */
export async function readRuntime(dir: string): Promise<TensorFlowRuntime | undefined> {
  const record = await readRecord(dir);
  if (record?.format !== 1 || record.tfjsNode !== tfjsNodeVersion()) return undefined;
  const files = Object.entries(record.files);
  const intact = await Promise.all(files.map(([path, bytes]) => hasSize(join(dir, path), bytes)));
  if (!intact.every(Boolean)) return undefined;
  const operationsPath = hasOperations(record.platform) ? await findOperations(dir) : undefined;
  return {
    kind: record.kind,
    dir,
    bindingPath: join(dir, ADDON_NAME),
    tensorflow: record.tensorflow,
    ...(operationsPath !== undefined && { operationsPath }),
    ...(record.kind === 'gpu' && { libraryDirs: await nvidiaDirs(dir) }),
  };
}

/** Where pip's NVIDIA packages below a folder have their libraries. */
export async function nvidiaDirs(dir: string): Promise<string[]> {
  const names = await readdir(join(dir, 'nvidia')).catch(() => []);
  return names.sort().map((name) => join(dir, 'nvidia', name, 'lib'));
}

async function readRecord(dir: string): Promise<RuntimeRecord | undefined> {
  try {
    return readJsonFile(join(dir, RECORD_NAME)) as RuntimeRecord;
  } catch {
    return undefined; // an unreadable folder counts as not installed: the setup says why it cannot write
  }
}

async function hasSize(path: string, bytes: number): Promise<boolean> {
  try {
    return (await stat(path)).size === bytes;
  } catch {
    return false;
  }
}
