/** Whether an NVIDIA driver and a GPU are here, found without nvidia-smi. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../errors.ts';
import { type CommandResult, runCommand } from './run-command.ts';
import { libraryEnvironment } from './tensorflow-runtime.ts';

export interface GpuDriver {
  /** A driver, its user library and at least one visible GPU are here. */
  readonly present: boolean;
  /** What a GPU lacks here, when `present` is false. */
  readonly missing?: 'driver' | 'gpu' | 'library' | 'visibility' | 'platform' | undefined;
  /** e.g. "550.54.15", when known. */
  readonly version: string | undefined;
  /** GPU names (from nvidia-smi), or device nodes such as "nvidia0". */
  readonly devices: readonly string[];
  /** Compute capability of each, e.g. "9.0"; undefined where nvidia-smi does not say. */
  readonly capabilities?: readonly (string | undefined)[];
  /** Folders of the driver's libraries that the dynamic loader does not search by itself. */
  readonly libraryDirs?: readonly string[];
  /** One clause for messages: what was found or what is missing. */
  readonly detail: string;
}

/** Where the search looks; tests give a folder of their own as `root`. */
export interface DriverSearch {
  readonly root?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly platform?: string;
}

export async function findGpuDriver(search: DriverSearch = {}): Promise<GpuDriver> {
  const { root = '/', env = process.env, platform = process.platform } = search;
  const nodes = platform === 'linux' ? deviceNodes(root) : [];
  const version = platform === 'linux' ? driverVersion(root) : undefined;
  const without = (missing: GpuDriver['missing'], detail: string): GpuDriver => ({
    present: false,
    missing,
    version,
    devices: nodes,
    detail,
  });
  if (platform !== 'linux') return without('platform', `CUDA does not exist on ${platform}`);

  const folders = await libraryFolders(root, env);
  if (nodes.length === 0) {
    return version === undefined && folders[0] === undefined
      ? without('driver', 'no NVIDIA driver')
      : without('gpu', 'an NVIDIA driver, but no GPU that this process may use');
  }
  const lacking = DRIVER_LIBRARIES.filter((_, i) => folders[i] === undefined);
  if (lacking.length > 0) {
    return without('library', `an NVIDIA GPU, but not the driver's ${lacking.join(' and ')}`);
  }
  const hidden = env.CUDA_VISIBLE_DEVICES;
  if (hidden !== undefined && /^\s*(-1.*)?$/.test(hidden)) {
    return without('visibility', `CUDA_VISIBLE_DEVICES="${hidden}", which hides every GPU`);
  }

  const libraryDirs = [...new Set(folders.flatMap((dir) => dir || []))];
  const named = await namesFromSmi(libraryEnvironment(libraryDirs, env));
  const devices = named.names.length > 0 ? named.names : nodes;
  const known = version ?? named.version;
  const driver = known ? `driver ${known}` : 'driver of unknown version';
  return {
    present: true,
    version: known,
    devices,
    capabilities: named.capabilities,
    libraryDirs,
    detail: `${devices.join(', ')} (${driver})`,
  };
}

/** WSL2 has no /dev/nvidia0: there the GPU is /dev/dxg. */
function deviceNodes(root: string): string[] {
  try {
    const nodes = readdirSync(join(root, 'dev')).filter((name) => /^(nvidia\d+|dxg)$/.test(name));
    return nodes.sort();
  } catch {
    return [];
  }
}

function driverVersion(root: string): string | undefined {
  for (const path of ['proc/driver/nvidia/version', 'sys/module/nvidia/version']) {
    try {
      const version = /\b\d{3,}\.\d+(?:\.\d+)?\b/.exec(readFileSync(join(root, path), 'utf8'));
      if (version) return version[0];
    } catch {
      // not there: the next place
    }
  }
  return undefined;
}

/** TensorFlow uses no GPU without both; containers that may only compute lack the second. */
const DRIVER_LIBRARIES = ['libcuda.so.1', 'libnvidia-ml.so.1'];

const LIBRARY_DIRS = [
  'usr/lib/x86_64-linux-gnu',
  'usr/lib/aarch64-linux-gnu',
  'usr/lib64',
  'usr/lib',
  'usr/local/nvidia/lib64',
  'usr/local/cuda/compat',
  'usr/lib/wsl/lib',
  'run/opengl-driver/lib',
];

/** Where each of the driver's libraries is: '' where the loader finds it itself, undefined where it is not. */
async function libraryFolders(
  root: string,
  env: NodeJS.ProcessEnv,
): Promise<(string | undefined)[]> {
  const listed = root === '/' ? await loaderCache(env) : '';
  const told = (env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean);
  return DRIVER_LIBRARIES.map((name) => {
    const isIn = (dir: string) => existsSync(join(dir, name));
    if (listed.includes(`${name} (libc6,`) || told.some(isIn)) return '';
    return LIBRARY_DIRS.map((dir) => join(root, dir)).find(isIn);
  });
}

/** What the loader finds by itself; 32-bit libraries have no comma after "libc6". */
async function loaderCache(env: NodeJS.ProcessEnv): Promise<string> {
  for (const ldconfig of ['ldconfig', '/sbin/ldconfig']) {
    const listed = await runCommand(ldconfig, ['-p'], { env, timeoutMs: 5000, keptChars: 1e7 });
    if (listed.status === 0) return listed.stdout;
  }
  return '';
}

interface NamesFromSmi {
  readonly names: string[];
  readonly capabilities: (string | undefined)[];
  readonly version?: string | undefined;
}

async function namesFromSmi(env: NodeJS.ProcessEnv): Promise<NamesFromSmi> {
  // Drivers that are too old for CUDA 12 do not know the last field.
  for (const fields of ['name,driver_version,compute_cap', 'name,driver_version']) {
    const smi = await runNvidiaSmi([`--query-gpu=${fields}`, '--format=csv,noheader'], env);
    if (smi.missing) break;
    if (smi.status !== 0) continue;
    const rows = smi.stdout.trim().split('\n').filter(Boolean);
    const cells = rows.map((row) => row.split(',').map((cell) => cell.trim()));
    return {
      names: cells.map((row) => row[0] ?? ''),
      capabilities: cells.map((row) => capabilityOf(row[2])),
      version: cells[0]?.[1],
    };
  }
  return { names: [], capabilities: [] };
}

/** nvidia-smi says "[N/A]" where it does not know. */
export function capabilityOf(cell: string | undefined): string | undefined {
  return /^\d+\.\d+$/.test(cell ?? '') ? cell : undefined;
}

/** Also where the driver is outside the system folders, as on GKE. */
export function runNvidiaSmi(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<CommandResult> {
  const PATH = [env.PATH, '/usr/local/nvidia/bin', '/usr/lib/wsl/lib'].filter(Boolean).join(':');
  return runCommand('nvidia-smi', args, { env: { ...env, PATH }, timeoutMs: 15_000 });
}

/** Which GPUs this process may use, and how one of them is shown alone to a child. */

/** One GPU, by the numbers that CUDA counts in this process: 0 is its first visible one. */
export interface VisibleGpu {
  readonly number: number;
  /** "NVIDIA L4"; a UUID where CUDA_VISIBLE_DEVICES names it by one. */
  readonly name: string;
  /** Compute capability, e.g. "9.0", where it is known. */
  readonly capability?: string | undefined;
  /** Environment that shows a child process this GPU and no other. */
  readonly env: Readonly<Record<string, string>>;
}

/** What `--gpus` asks for; undefined = one GPU, the first. */
type GpuRequest = 'all' | readonly number[];

/**
 * The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; without it all, in the order of nvidia-smi.
 * @param driver what was found by `findGpuDriver`, whose names come in the order of nvidia-smi
 */
export function listVisibleGpus(
  { devices, capabilities }: Pick<GpuDriver, 'devices' | 'capabilities'>,
  env: NodeJS.ProcessEnv = process.env,
): VisibleGpu[] {
  const shown = env.CUDA_VISIBLE_DEVICES;
  if (shown === undefined) {
    // CUDA would put the fastest first, which is not how nvidia-smi and our names count.
    const order = env.CUDA_DEVICE_ORDER ?? 'PCI_BUS_ID';
    return devices.map((name, number) => ({
      number,
      name,
      capability: capabilities?.[number],
      env: { CUDA_VISIBLE_DEVICES: String(number), CUDA_DEVICE_ORDER: order },
    }));
  }
  const ids = shown.split(',').map((id) => id.trim());
  // CUDA reads the list up to the first entry that names no GPU.
  const end = ids.findIndex(
    (id) => id === '' || (/^[+-]?\d+$/.test(id) && !(Number(id) in devices)),
  );
  return (end === -1 ? ids : ids.slice(0, end)).map((id, number) => ({
    number,
    name: devices[Number(id)] ?? id,
    capability: capabilities?.[Number(id)] ?? onlyOne(capabilities),
    env: { CUDA_VISIBLE_DEVICES: id },
  }));
}

/** A property that all GPUs share is known of one that is named by a UUID, too. */
function onlyOne(capabilities: GpuDriver['capabilities']): string | undefined {
  const all = new Set(capabilities);
  return all.size === 1 ? [...all][0] : undefined;
}

/**
 * Whether TensorFlow 2.21's CUDA library has no code for this GPU: it has machine code for 6.0, 7.0, 8.0, 8.9 and 9.0.
 * On newer GPUs its generated kernels fail, and XLA then ends the process.
 */
export function lacksCode({ capability }: Pick<VisibleGpu, 'capability'>): boolean {
  if (capability === undefined) return false; // the library itself will report it
  const major = Number.parseInt(capability, 10);
  return major < 6 || major > 9;
}

/**
 * The GPUs asked for, in the order asked.
 * @throws EngineError that names the GPUs found when one of them is not there
 */
export function pickGpus(request: GpuRequest, visible: readonly VisibleGpu[]): VisibleGpu[] {
  if (request === 'all' && visible.length > 0) return [...visible];
  const wanted = request === 'all' ? [0] : request;
  return wanted.map((number) => {
    const gpu = visible[number];
    if (gpu !== undefined) return gpu;
    const asked = request === 'all' ? 'all' : request.join(',');
    const found = visible.map((one) => `${one.number} (${one.name})`).join(', ') || 'none';
    throw new EngineError(`Expected GPUs that exist for --gpus ${asked} but found ${found}.`, {
      fix: 'Name GPUs by those numbers, or give --gpus all.',
    });
  });
}
