/** Whether an NVIDIA driver and a GPU are here, found without nvidia-smi. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
